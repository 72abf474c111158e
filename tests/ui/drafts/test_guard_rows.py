"""Guards as rows of a table: nothing of them is lost, and every mistake names its row and its column."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import ConfigError
from engine.guards.guard import Guard
from ui.drafts.guard_rows import GuardsDraft, frame_of, read_rows, rows_in, rows_of

texts = st.text(min_size=1, max_size=30)
words = texts.filter(str.strip)
guards = st.one_of(
    st.builds(Guard, prompt=words, contains=words, chat=st.booleans(), answer_tokens=st.integers(1, 1024)),
    st.builds(Guard, name=texts, prompt=words, equals=words),
    st.builds(Guard, prompt=words, matches=st.sampled_from(["[0-9]{3,}", "a|b"])),
    st.builds(Guard, prompt=words, likelier=st.just("\x00no"), than=st.lists(texts, min_size=1, max_size=3)),
    st.builds(Guard, prompt=st.text(), text=words, loss_at_most=st.floats(1e-9, 1e9)),
)
lists = st.lists(guards, max_size=4, unique_by=lambda guard: guard.title)


def row(**cells: Any) -> dict[str, Any]:
    empty = {"name": "", "prompt": "", "kind": "contains", "value": "", "than": [], "chat": False, "answer_tokens": 64}
    return empty | cells


@settings(deadline=None)
@given(given_guards=lists)
def test_guards_go_through_rows_and_through_the_table_unchanged(given_guards: list[Guard]) -> None:
    rows = rows_of(given_guards)
    assert read_rows(rows) == (tuple(given_guards), [])
    assert read_rows(rows_in(frame_of(rows))) == (tuple(given_guards), [])


def test_what_was_left_empty_in_a_table_is_empty_in_its_rows() -> None:
    frame = frame_of([row(prompt="a", value="b")])
    frame.loc[1] = {"prompt": "c"}  # as a new row comes in which one cell was written
    written, begun = rows_in(frame)
    assert written == row(prompt="a", value="b")
    assert begun == row(prompt="c", kind="", answer_tokens=None)
    assert rows_in(frame_of([])) == []


def test_rows_in_which_nothing_was_written_are_passed_over() -> None:
    assert read_rows([row(), row(prompt="a", value="b"), row(kind="", answer_tokens=None)]) == (
        (Guard(prompt="a", contains="b"),),
        [],
    )


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({"prompt": "a", "kind": ""}, "What must hold: choose one of answer contains, answer equals"),
        ({"prompt": "a"}, "Value: an empty text says nothing; write what must hold."),
        ({"value": "a"}, "Prompt: give the text that the model goes on from."),
        ({"prompt": "a", "value": "(", "kind": "matches"}, "Value: '(' is no pattern that can be searched for"),
        ({"prompt": "a", "value": "x" * 20_001}, "Value: is longer than 20000 characters"),
        ({"prompt": "a", "value": "x", "name": "n" * 121}, "Name: is longer than 120 characters"),
        ({"prompt": "a", "value": "b", "than": ["c"]}, "Than / at most: it goes with 'likelier is'"),
        ({"prompt": "a", "value": "b", "kind": "likelier"}, "Than / at most: write at least one continuation"),
        ({"prompt": "a", "value": "b", "kind": "likelier", "than": ["b"]}, "Value: it stands in than as well"),
        ({"value": "b", "kind": "loss_at_most"}, "Than / at most: write one number"),
        ({"value": "b", "kind": "loss_at_most", "than": ["1", "2"]}, "Than / at most: write one number"),
        ({"value": "b", "kind": "loss_at_most", "than": ["low"]}, "Than / at most: expected a number (found 'low')"),
        ({"value": "b", "kind": "loss_at_most", "than": ["-1"]}, "Than / at most: must be above 0"),
        ({"prompt": "a", "value": "b", "answer_tokens": 2000}, "Answer tokens: must be 1024 or below"),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_row_and_the_column(cells: dict[str, Any], sentence: str) -> None:
    rows = [row(prompt="right", value="yes"), row(), row(**cells)]
    found, (mistake,) = read_rows(rows)
    assert found == (Guard(prompt="right", contains="yes"),)
    title = cells.get("name") or cells.get("prompt")
    named, _, what = mistake.partition("): ") if title else mistake.partition(": ")
    assert named.startswith("Guard 3 ('" if title else "Guard 3")
    assert what.startswith(sentence)


def test_two_guards_of_one_name_and_too_many_are_told() -> None:
    _, (mistake,) = read_rows([row(prompt="a", value="b"), row(prompt="a", value="c")])
    assert mistake == "Name: two guards are called 'a'; give one of them another name."
    _, (mistake,) = read_rows([row(prompt=f"a {n}", value="b") for n in range(201)])
    assert mistake == "These are 201 guards, and one experiment takes 200; delete some."


def test_a_draft_with_a_mistake_makes_no_experiment() -> None:
    draft = GuardsDraft()
    assert draft.guards() == ()
    draft.take([row(prompt="a", value="b")])
    assert draft.guards() == (Guard(prompt="a", contains="b"),)
    draft.take([row(prompt="a")])
    with pytest.raises(ConfigError, match="Mend the guards first"):
        draft.guards()
