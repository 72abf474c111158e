"""Drafts as plain data: whatever is entered comes back the same, and what can't be read any more costs nothing else."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from engine.common.errors import ConfigError
from engine.common.overrides import Overrides
from engine.common.parameters import Parameter, parameters_of
from engine.experiments.kept_checkpoints import KEEPS
from engine.experiments.presets import PRESETS
from engine.experiments.resources import Resources
from engine.experiments.training import Training
from engine.guards.guard import Guard
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, ReferenceSpec
from ui.drafts.content import content_of, draft_from, entered
from ui.drafts.draft import NONE, SHIPPED, TASK, ExperimentDraft, declared_parameters, draft_of, new_draft
from ui.drafts.guard_rows import rows_of

KNOWN = {name: TaskSpec(name=name, train=(f"{name}.txt",)) for name in ("bread", "tea", "salt", "“ö”")}
GUARDS = rows_of((Guard(prompt="Tea is", contains="hot"), Guard(text="a\tb\n", loss_at_most=2.5)))


def drawn(declared: Parameter, chance: random.Random) -> Any:
    """A value that a field of the parameter gives, valid or not."""
    if declared.choices:
        return chance.choice(declared.choices)
    if declared.type is bool:
        return chance.random() < 0.5
    if chance.random() < 0.15:
        return None
    if declared.type is str:
        return chance.choice(["", "x", "“”\n"])
    low, high = declared.minimum or 0, min(declared.maximum or 1e6, 1e6)
    return declared.type(low + (high - low) * chance.random() ** 4)


def change_name(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.name = chance.choice(["", "kitchen", "  “–” \\", "x" * 120])


def change_tasks(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.task_names = chance.sample(list(KNOWN), chance.randint(0, 4))


def change_order(draft: ExperimentDraft, chance: random.Random) -> None:
    if len(draft.task_names) > 1:
        draft.move_task(0, 1)


def change_a_task_s_settings(draft: ExperimentDraft, chance: random.Random) -> None:
    values = draft.task_overrides.setdefault(chance.choice(list(KNOWN)), {})
    for declared in parameters_of(Overrides):
        values[declared.name] = drawn(declared, chance)


def change_card(draft: ExperimentDraft, chance: random.Random) -> None:
    card = chance.choice(draft.cards)
    card.on, card.several = chance.random() < 0.5, chance.random() < 0.3
    declared = chance.choice(declared_parameters(card.strategy))
    card.values[declared.name] = drawn(declared, chance)
    if chance.random() < 0.3:
        card.texts[declared.name] = chance.choice(["1, 2", "none, 3", "much", ""])


def add_variant(draft: ExperimentDraft, chance: random.Random) -> None:
    like = chance.choice(draft.cards)
    draft.add_card(like.strategy, like)


def remove_card(draft: ExperimentDraft, chance: random.Random) -> None:
    card = chance.choice(draft.cards)
    if sum(other.strategy == card.strategy for other in draft.cards) > 1:
        draft.cards.remove(card)


def change_texts_beside(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.general = chance.choice([SHIPPED, NONE, (TASK, "tea")])
    draft.take_reference(chance.choice(["tea", "salt", None]), draft.cards[0])


def change_guards(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.guards.take(chance.sample(GUARDS, chance.randint(0, 2)), chance.choice(["", "abc"]), chance.random() < 0.5)
    draft.guards.own = chance.sample(GUARDS, 1)


def change_seeds(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.seeds = chance.choice(["0", "0, 1, 2", "x", ""])


def change_preset(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.take_preset(chance.choice(list(PRESETS)))


def change_training(draft: ExperimentDraft, chance: random.Random) -> None:
    declared = chance.choice(parameters_of(Training))
    draft.training[declared.name] = drawn(declared, chance)


def change_limits(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.take_limits({"stage_tokens": chance.choice([None, 5_000]), "held_out_tokens": 2_000}, "of these tasks")


def change_resources(draft: ExperimentDraft, chance: random.Random) -> None:
    for declared in parameters_of(Resources):
        draft.resources[declared.name] = drawn(declared, chance)


def change_orders(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.orders = chance.choice(
        [None, 2, "all", "reversed", (tuple(draft.task_names), tuple(reversed(draft.task_names)))]
    )
    draft.checkpoints = chance.choice(KEEPS)


def change_model(draft: ExperimentDraft, chance: random.Random) -> None:
    draft.model = chance.choice(["tiny-gpt2", "", "/models/mine"])


CHANGES: list[Callable[[ExperimentDraft, random.Random], None]] = [
    change_name, change_tasks, change_order, change_a_task_s_settings, change_card, change_card, change_card,
    add_variant, remove_card, change_texts_beside, change_guards, change_seeds, change_preset, change_training,
    change_limits, change_resources, change_model, change_orders,
]  # fmt: skip


def what_it_makes(draft: ExperimentDraft) -> str:
    """The experiment, or the sentence that says why there is none."""
    try:
        return draft.experiment(KNOWN).model_dump_json()
    except ConfigError as error:
        return str(error)


def restored(draft: ExperimentDraft) -> ExperimentDraft:
    found, unread = draft_from(json.loads(json.dumps(content_of(draft))))
    assert unread == []
    return found


@pytest.mark.parametrize("seed", range(40))
def test_any_sequence_of_changes_kept_and_restored_gives_the_same_experiment(seed: int) -> None:
    chance = random.Random(seed)
    draft, restarted = new_draft(list(KNOWN)[:3]), new_draft(list(KNOWN)[:3])
    for number in range(30):
        change = chance.choice(CHANGES)
        same_chance = random.Random(number * 1000 + seed)
        change(draft, random.Random(number * 1000 + seed))
        change(restarted, same_chance)
        restarted = restored(restarted)  # as if the server stopped after every change
        assert what_it_makes(restarted) == what_it_makes(draft)
        assert content_of(restarted) == content_of(draft)


def test_what_came_with_a_loaded_experiment_is_kept_with_the_draft() -> None:
    file_task = TaskSpec(name="far", train=("far.txt",), epochs=4)
    experiment = new_draft(["tea"]).experiment(KNOWN).model_copy(
        update={"tasks": (file_task, KNOWN["tea"]), "general": GeneralSpec(train=("g.txt",)),
                "reference": ReferenceSpec(train=("r.txt",))}
    )  # fmt: skip
    draft = draft_of(experiment, KNOWN)
    draft.made_from = "abcd1234", "kitchen"
    found = restored(draft)
    assert found.experiment(KNOWN) == draft.experiment(KNOWN)
    assert (found.file_general, found.file_reference) == (experiment.general, experiment.reference)
    assert found.origin == draft.origin
    assert found.made_from == ("abcd1234", "kitchen")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seeds", 7, "seeds"),
        ("training", {"epochs": "many"}, "training settings"),
        ("training", {"epochs": 0}, "training settings"),
        ("training", {"gone": 1}, "training settings"),
        ("preset", "hasty", "preset"),
        ("file_tasks", [{"name": "a", "colour": "red"}], "tasks of a loaded file"),
        ("cards", [{"strategy": "magic", "on": True, "values": {}, "several": False, "texts": {}}], "a strategy"),
        ("cards", None, "strategies"),
        ("guards", {"rows": [{"prompt": "x"}], "own": [], "is_open": True, "set_id": ""}, "guards"),
        ("general", ["shipped"], "general text"),
        ("resources", {"cpus": "all"}, "where it runs"),
    ],
)
def test_a_part_that_can_t_be_read_is_named_and_the_others_are_kept(field: str, value: Any, said: str) -> None:
    draft = new_draft(["tea", "salt"])
    draft.name = "kitchen"
    found, unread = draft_from(content_of(draft) | {field: value})
    assert said in unread
    assert (found.name, found.task_names) == ("kitchen", ["tea", "salt"])
    assert {card.strategy for card in found.cards} == {card.strategy for card in draft.cards}
    _, unread = draft_from({name: each for name, each in content_of(draft).items() if name != field})
    assert unread


def test_a_value_that_its_field_no_longer_takes_is_as_at_first_and_the_strategy_stays_on() -> None:
    content = content_of(new_draft(["tea"]))
    replay = next(each for each in content["cards"] if each["strategy"] == "replay")
    replay["values"] |= {"replay_weight": "heavy", "memory_size": 50, "no_longer": 1}
    draft, unread = draft_from(content)
    card = next(card for card in draft.cards if card.strategy == "replay")
    assert card.on
    assert (card.values["replay_weight"], card.values["memory_size"]) == (1.0, 50)
    assert unread == ["values of Experience replay"]


def test_the_quick_preset_s_limits_are_nothing_that_was_entered() -> None:
    draft = new_draft(["tea"])
    before = entered(content_of(draft))
    draft.take_limits({"stage_tokens": 5_000, "held_out_tokens": 2_000}, "these")
    assert draft.training["stage_tokens"] == 5_000
    assert entered(content_of(draft)) == before
    draft.training["stage_tokens"] = 7_000
    assert entered(content_of(draft)) != before
    draft.take_limits({"stage_tokens": 9_000, "held_out_tokens": 1_000}, "those")
    assert (draft.training["stage_tokens"], draft.training["held_out_tokens"]) == (7_000, 1_000)
