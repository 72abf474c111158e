"""Which columns are learnt: by name, by what the cells hold, never without a word."""

import contextlib
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.tasks.columns import Columns, chosen_columns, guess_columns, unused_columns
from engine.tasks.documents import Document, Turn
from engine.tasks.files.contents import Table, explain_left_out
from engine.tasks.load import documents_of
from engine.tasks.readers import read_source
from engine.tasks.rows import rows_to_documents
from engine.tasks.spec import TaskSpec


def table(rows: list[dict[str, Any]], nested: tuple[str, ...] = ()) -> Table:
    """As a reader gives it: every cell as text, lists and objects as JSON."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [
        [value if isinstance(value := row.get(name, ""), str) else json.dumps(value) for name in names] for row in rows
    ]
    found = {name for row in rows for name in row if isinstance(row[name], list | dict)}
    frame = pd.DataFrame(cells, columns=names, index=range(1, len(rows) + 1), dtype=str)
    return Table("a.json", frame, "json", row_word="item", nested=frozenset(found | set(nested)))


def guess(rows: list[dict[str, Any]]) -> Columns:
    found = guess_columns(table(rows))
    assert found is not None
    return found.columns


def learnt(rows: list[dict[str, Any]], columns: Columns | None = None) -> list[Document]:
    read = table(rows)
    return rows_to_documents(read, chosen_columns(read, columns or Columns())).documents


MESSAGES = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "Here."}]
TURNS = (Turn("user", "Where is it?"), Turn("assistant", "Here."))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["id", "Text", "label"], Columns(text="Text")),
        (["prompt", "completion", "text"], Columns(prompt=("prompt",), completion="completion")),
        (["Question", "Answer"], Columns(prompt=("Question",), completion="Answer")),
        (["a", "b"], Columns(text="b")),
        (["instruction", "input", "output"], Columns(prompt=("instruction", "input"), completion="output")),
        (["instruction", "context", "response", "category"],
         Columns(prompt=("instruction", "context"), completion="response")),
        (["id", "context", "question", "answer"], Columns(prompt=("context", "question"), completion="answer")),
    ],
)  # fmt: skip
def test_the_likely_columns_come_first(names: list[str], expected: Columns) -> None:
    cells = ["x", "a longer cell", "y", "z"]
    assert guess([dict(zip(names, cells, strict=False))] * 3) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "1", "messages": MESSAGES}, Columns(messages="messages")),
        ({"text": "x", "dialog": MESSAGES}, Columns(messages="dialog")),
        ({"whatever": {"messages": MESSAGES}}, Columns(messages="whatever")),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
         Columns(messages="conversations")),
        ({"conversation": ["a?", "b."]}, Columns(messages="conversation")),
        ({"prompt": MESSAGES[:1], "completion": MESSAGES[1:]}, Columns(prompt=("prompt",), completion="completion")),
        ({"tags": ["a", "b"], "review": "good"}, Columns(text="review")),
        ({"question": "a?", "answers": {"text": ["b"], "answer_start": [3]}},
         Columns(prompt=("question",), completion="answers")),
    ],
)  # fmt: skip
def test_conversations_are_recognised_by_what_the_cells_hold(row: dict[str, Any], expected: Columns) -> None:
    assert guess([row] * 3) == expected


def test_lists_and_objects_are_never_proposed_as_text() -> None:
    read = table([{"tags": [{"id": 1}], "meta": {"a": 1}}] * 3)
    assert guess_columns(read) is None
    with pytest.raises(TaskError, match=r"a\.json: the cells of 'meta' are lists or objects.*choose another column"):
        chosen_columns(read, Columns())
    with pytest.raises(TaskError, match=r"the cells of 'tags' are lists or objects"):
        rows_to_documents(read, Columns(text="tags"))
    with pytest.raises(TaskError, match=r"the cells of 'm' are conversations; name it as messages_column"):
        rows_to_documents(table([{"m": MESSAGES}]), Columns(text="m"))


def test_columns_that_no_name_gives_away_must_be_named() -> None:
    read = table([{"one": "x", "two": "hello"}])
    with pytest.raises(TaskError, match=r"has the columns one, two; say which is the text \(text_column\)"):
        chosen_columns(read, Columns())
    with pytest.raises(TaskError, match=r"there is no column 'three'; choose one of one, two\."):
        chosen_columns(read, Columns(text="three"))
    assert chosen_columns(read, Columns(text="two")) == Columns(text="two")


def test_prompt_and_completion_the_wrong_way_round_are_asked_about() -> None:
    rows = [{"prompt": f"It is {n}.", "completion": f"Is it {n}?"} for n in range(9)]
    read = table(rows)
    found = guess_columns(read)
    assert found is not None
    assert "most cells of 'completion' are questions" in found.question
    with pytest.raises(TaskError, match="Say which is which by prompt_column and completion_column"):
        chosen_columns(read, Columns())
    swapped = Columns(prompt=("completion",), completion="prompt")
    assert learnt(rows, swapped)[0] == Document("It is 0.", "Is it 0?")


def test_the_input_of_an_instruction_belongs_to_its_prompt() -> None:
    rows = [{"instruction": "Shorten.", "input": "A long text", "output": "A"},
            {"instruction": "Greet.", "input": "", "output": "Hello"}]  # fmt: skip
    assert learnt(rows) == [Document("A", "Shorten.\n\nA long text"), Document("Hello", "Greet.")]


def test_system_and_history_make_conversations_of_instructions() -> None:
    rows = [{"instruction": "And now?", "input": "", "output": "Later.", "system": "Be brief.",
             "history": [["When?", "Soon."]]}]  # fmt: skip
    assert learnt(rows)[0].turns == (
        Turn("system", "Be brief."), Turn("user", "When?"), Turn("assistant", "Soon."),
        Turn("user", "And now?"), Turn("assistant", "Later."),
    )  # fmt: skip
    rows[0] |= {"system": "", "history": []}
    assert learnt(rows) == [Document("Later.", "And now?")]


def test_message_lists_as_prompt_and_completion_make_one_conversation_that_learns_the_completion_alone() -> None:
    assert learnt([{"prompt": MESSAGES[:1], "completion": MESSAGES[1:]}])[0].turns == TURNS
    pair = Columns(prompt=("prompt",), completion="completion")
    assert learnt([{"prompt": MESSAGES[:1], "completion": "Here."}], pair)[0].turns == TURNS
    longer = learnt([{"prompt": [*MESSAGES, MESSAGES[0]], "completion": MESSAGES[1:]}])[0]
    assert longer.turns == (TURNS[0], Turn("assistant", "Here.", given=True), *TURNS)
    assert longer.text == "Here."


def test_the_chosen_answer_of_a_preference_is_learnt() -> None:
    asked, answer = {"from": "human", "value": "Where is it?"}, {"from": "gpt", "value": "Here."}
    rows = [{"conversations": [asked], "chosen": answer, "rejected": {"from": "gpt", "value": "No."}}]
    assert guess(rows) == Columns(prompt=("conversations",), completion="chosen")
    assert learnt(rows)[0].turns == TURNS
    whole = [{"prompt": "Where is it?", "chosen": MESSAGES, "rejected": MESSAGES}]
    assert guess(whole) == Columns(messages="chosen")


def test_answers_of_no_weight_are_only_read() -> None:
    rows = [{"messages": [MESSAGES[0], {**MESSAGES[1], "weight": 0}, *MESSAGES]}]
    assert learnt(rows)[0].turns == (TURNS[0], Turn("assistant", "Here.", given=True), *TURNS)


def test_bare_texts_are_a_conversation_only_where_their_column_says_so() -> None:
    with pytest.raises(TaskError, match="say which is the text"):
        learnt([{"id": "7", "turns": ["Where is it?", "And then?"], "kind": "x"}])
    read = table([{"dialog": ["Where is it?", "Here."]}])
    found = rows_to_documents(read, chosen_columns(read, Columns()))
    assert found.documents[0].turns == TURNS
    assert found.remarks() == ("The turns don't say whose they are: the first, third, … are read as the user's.",)


def test_one_answer_in_a_list_is_that_answer_and_of_several_the_first_is_said() -> None:
    rows = [{"question": "a?", "answers": {"text": ["b", "b"]}}, {"question": "c?", "answers": ["d", "e"]}]
    read = table(rows)
    found = rows_to_documents(read, chosen_columns(read, Columns()))
    assert found.documents == [Document("b", "a?"), Document("d", "c?")]
    assert found.remarks() == ("In one row 'answers' holds several texts; the first is learnt.",)


def test_rows_become_documents_and_empty_ones_are_reported() -> None:
    read = table([{"p": "q", "c": "a"}, {"p": "q", "c": " "}, {"c": "b"}])
    rows = rows_to_documents(read, Columns(prompt=("p",), completion="c"))
    assert rows.documents == [Document("a", "q"), Document("b", "")]
    assert explain_left_out(rows.left_out) == "1 row was left out: 'c' is empty (item 2)."
    with pytest.raises(TaskError, match=r"the column 'c' is empty in every row"):
        rows_to_documents(table([{"c": "", "d": "x"}]), Columns(text="c"))


def test_several_prompt_columns_are_joined_by_a_blank_line_without_the_empty_ones() -> None:
    read = table(
        [{"i": "Say.", "x": "Why?", "c": "a"}, {"i": "Say.", "x": " ", "c": "b"}, {"i": "", "x": "", "c": "d"}]
    )
    rows = rows_to_documents(read, Columns(prompt=("i", "x"), completion="c"))
    assert rows.documents == [Document("a", "Say.\n\nWhy?"), Document("b", "Say."), Document("d", "")]


def test_conversations_that_cannot_be_learnt_are_left_out_with_the_reason() -> None:
    rows = [
        {"messages": MESSAGES}, {"messages": MESSAGES[:1]}, {"messages": [{"role": "narrator", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "url": "u"}]}, MESSAGES[1]]},
    ]  # fmt: skip
    found = rows_to_documents(table(rows), Columns(messages="messages"))
    assert [document.turns for document in found.documents] == [TURNS]
    assert explain_left_out(found.left_out) == (
        "3 rows were left out: it has no turn of the assistant that could be learnt (item 2); a message of the role "
        "'narrator', which is none of system, user, assistant and tool (item 3); a message with a part that is no text "
        "(image) (item 4)."
    )
    with pytest.raises(
        TaskError, match="item 1: no row can be used, this one because: it has no turn of the assistant"
    ):
        rows_to_documents(table(rows[1:2]), Columns(messages="messages"))


def test_unused_columns_and_keys_of_messages_are_named() -> None:
    read = table([{"id": "7", "messages": [{**MESSAGES[0], "mood": "calm"}, MESSAGES[1]], "lang": "en"}])
    columns = chosen_columns(read, Columns())
    assert unused_columns(read, columns) == ("id", "lang")
    assert rows_to_documents(read, columns).remarks() == ("Not used of the messages: 'mood'.",)


def test_columns_are_named_by_a_specification() -> None:
    spec = TaskSpec(name="a", train="a.csv", prompt_column=["q", "more"], completion_column="a", system_column="s")
    assert Columns.of(spec).names == ("q", "more", "a", "s")


_SCALARS = st.sampled_from(["", "hi", "What?", "NaN", None, True, 0, 1.5, 10**30])
_SPEAKERS = st.sampled_from(["user", "assistant", "human", "gpt", "system", "tool", "Assistant", "narrator", None])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "text", "weight", "messages"]), inner)
        | st.lists(st.fixed_dictionaries({"role": _SPEAKERS, "content": inner}), max_size=4)
    ),
    max_leaves=12,
)
_NAMES = st.sampled_from(
    ["messages", "conversations", "prompt", "completion", "instruction", "input", "output", "system", "history",
     "question", "answers", "chosen", "dialog", "id"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=4), min_size=1, max_size=5), _NAMES, _NAMES)
def test_whatever_json_holds_it_becomes_documents_or_a_sentence(rows: list[Any], one: str, other: str) -> None:
    contents = read_source("a.json", json.dumps(rows).encode())
    for columns in (Columns(), Columns(messages=one), Columns(prompt=(one,), completion=other), Columns(text=one)):
        with contextlib.suppress(TaskError):
            found = documents_of("a", contents, None, "auto", columns, 0.1, on_training=True)
            assert all(d.text.strip() or d.turns for d in found.division.train)
