"""The items of probes: right by an independent reading of their prompts, and the choices alone give nothing away."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable

import pytest

from engine.insight.measures.probe_items import Item, items_of
from engine.insight.measures.probes import AGREEMENT, ARITHMETIC, COPYING, ITEMS, LOOK_UP, PROBES, SORTING, Probe

PLURAL_VERBS = {" are", " were", " have"}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_items_are_many_all_different_and_their_choices_distinct(probe: Probe) -> None:
    items = items_of(probe)
    assert len(items) == ITEMS >= 200
    assert len({item.prompt for item in items}) == ITEMS
    for item in items:
        assert len(set(item.choices)) == len(item.choices) == probe.choices
        assert all(choice.startswith(" ") and choice.strip() for choice in item.choices)
        assert not item.prompt.endswith(" ")


def test_the_items_are_those_that_every_model_has_seen_before() -> None:
    """Whoever changes items changes what kept and published shares are of."""
    said = [[item.prompt, list(item.choices), item.right] for probe in PROBES for item in items_of(probe)]
    assert hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12] == "40a9436e6bf5"  # pragma: allowlist secret


def solved(line: str) -> int:
    first, sign, second = re.fullmatch(r"(\d+) ([+-]) (\d+) =", line).groups()  # type: ignore[union-attr]
    return int(first) + int(second) if sign == "+" else int(first) - int(second)


def test_sums_and_differences_are_right_and_no_choice_stands_in_the_prompt() -> None:
    for item in items_of(ARITHMETIC):
        *examples, asked = item.prompt.split("\n")
        assert len(examples) == 3
        assert all(solved(line.rpartition(" ")[0]) == int(line.rpartition(" ")[2]) for line in examples)
        values = [int(choice) for choice in item.choices]
        assert [place for place, value in enumerate(values) if value == solved(asked)] == [item.right]
        assert not set(values) & set(map(int, re.findall(r"\d+", item.prompt)))
        assert max(values) - min(values) < 10
        assert all(10 <= value <= 39 for value in values)
    signs = Counter(item.prompt.split("\n")[-1].split()[1] for item in items_of(ARITHMETIC))
    assert signs == {"+": ITEMS // 2, "-": ITEMS // 2}


def test_copies_are_of_the_last_line_and_no_other_choice_has_a_word_of_the_prompt() -> None:
    for item in items_of(COPYING):
        *examples, said, again = item.prompt.split("\n")
        assert again == "Again:"
        assert item.answer == said.removeprefix("Say:")
        for say, copy in zip(examples[::2], examples[1::2], strict=True):
            assert say.removeprefix("Say:") == copy.removeprefix("Again:")
        words = re.findall(r"[a-z]{4}", item.prompt)
        for place, choice in enumerate(item.choices):
            assert place == item.right or not set(choice.split()) & set(words)


def test_letters_are_in_order_the_way_that_the_prompt_asks_for() -> None:
    for item in items_of(SORTING):
        lines = [re.fullmatch(r"(Forwards|Backwards): ([a-z ]+) =(.*)", line) for line in item.prompt.split("\n")]
        ways = {line[1] for line in lines if line is not None}
        assert len(ways) == 1
        for line in lines:
            assert line is not None
            letters = line[2].split()
            ordered = sorted(letters, reverse=line[1] == "Backwards")
            assert letters not in (ordered, ordered[::-1])
            assert (line[3] or item.answer).split() == ordered
        letters = lines[-1][2].split()  # type: ignore[index]
        for place, choice in enumerate(item.choices):
            own = choice.split()
            assert own in (sorted(own), sorted(own, reverse=True))
            assert place == item.right or own == item.answer.split()[::-1] or len(set(own) - set(letters)) == 1


def test_what_is_looked_up_was_stated_of_that_box_and_the_others_of_the_other_three() -> None:
    asked_at = Counter[int]()
    for item in items_of(LOOK_UP):
        facts = re.findall(r"The (\w+) box holds (\w{4})\.", item.prompt)
        asked = re.fullmatch(r".*\. The (\w+) box holds", item.prompt)[1]  # type: ignore[index]
        assert item.answer.strip() == dict(facts)[asked]
        assert sorted(choice.strip() for choice in item.choices) == sorted(held for _, held in facts)
        asked_at[[colour for colour, _ in facts].index(asked)] += 1
    assert asked_at == dict.fromkeys(range(4), ITEMS // 4)


def test_verbs_agree_with_the_first_noun_whatever_the_second_is() -> None:
    numbers = Counter[tuple[bool, bool]]()
    for item in items_of(AGREEMENT):
        subject, other = re.fullmatch(r"The (\w+) \w+ the (\w+)", item.prompt).groups()  # type: ignore[union-attr]
        assert (item.answer in PLURAL_VERBS) == subject.endswith("s")
        assert len(PLURAL_VERBS & set(item.choices)) == 1
        numbers[subject.endswith("s"), other.endswith("s")] += 1
    assert set(numbers.values()) == {ITEMS // 4}


def in_order(choice: str) -> tuple[bool, str]:
    return choice.split() != sorted(choice.split()), choice


BLIND: dict[str, Callable[[Item], int]] = {
    "the first": lambda item: 0,
    "the last": lambda item: len(item.choices) - 1,
    "the first in order": lambda item: item.choices.index(min(item.choices)),
    "the last in order": lambda item: item.choices.index(max(item.choices)),
    "the second in order": lambda item: item.choices.index(sorted(item.choices)[1]),
    "the shortest": lambda item: item.choices.index(min(item.choices, key=lambda choice: (len(choice), choice))),
    "words in their order": lambda item: item.choices.index(min(item.choices, key=in_order)),
    "letters that come early": lambda item: item.choices.index(min(item.choices, key=lambda choice: sorted(choice))),
}


@pytest.mark.parametrize("rule", BLIND)
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_no_rule_that_looks_at_the_choices_alone_does_better_than_chance(probe: Probe, rule: str) -> None:
    right = sum(BLIND[rule](item) == item.right for item in items_of(probe))
    expected, spread = ITEMS * probe.chance, (ITEMS * probe.chance * (1 - probe.chance)) ** 0.5
    assert abs(right - expected) <= 2.5 * spread


@pytest.mark.parametrize("probe", [p for p in PROBES if p is not AGREEMENT], ids=lambda probe: probe.name)
def test_choices_of_an_item_are_as_long_as_each_other(probe: Probe) -> None:
    for item in items_of(probe):
        assert len({len(choice) for choice in item.choices}) == 1
        assert len({len(choice.split()) for choice in item.choices}) == 1


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_the_right_choice_stands_in_every_place_equally_often(probe: Probe) -> None:
    places = Counter(item.right for item in items_of(probe))
    assert places == dict.fromkeys(range(probe.choices), ITEMS // probe.choices)
