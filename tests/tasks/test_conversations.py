"""Messages as data sets hold them: what is learnt of them, what is only read, and what is said."""

import io
import json
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from engine.common.errors import TaskError
from engine.tasks.columns import Columns, chosen_columns, guess_columns, unused_columns
from engine.tasks.documents import Turn
from engine.tasks.documents.conversations import NoConversationError, check_turns, history_turns, turns_of
from engine.tasks.files.contents import Table, explain_left_out
from engine.tasks.load import documents_of
from engine.tasks.readers import read_source
from engine.tasks.rows import DocumentsOfRows, rows_to_documents
from engine.tasks.spec import TaskSpec

ASKED = {"role": "user", "content": "What is it?"}
CALL = {"name": "look", "arguments": {"at": "rain"}}


def rows_of(rows: list[Any], columns: Columns) -> DocumentsOfRows:
    (table,) = read_source("a.json", json.dumps(rows).encode())
    assert isinstance(table, Table)
    return rows_to_documents(table, columns)


@pytest.mark.parametrize("empty", ["", " \n", None])
def test_empty_answers_before_others_are_only_read_and_counted(empty: str | None) -> None:
    answers = [{"role": "assistant", "content": empty}, {"role": "assistant", "content": "Rain."}]
    found = rows_of([{"messages": [ASKED, answers[0], ASKED, answers[1]]}] * 2, Columns(messages="messages"))
    assert [turn.is_answer for turn in found.documents[0].turns] == [False, False, False, True]
    assert found.remarks() == ("2 empty answers are only read: learnt, they would teach to say nothing.",)


def test_an_empty_answer_with_a_name_alone_says_nothing() -> None:
    named = {"role": "assistant", "content": "", "name": "bot"}
    with pytest.raises(NoConversationError, match="no turn of the assistant"):
        check_turns(turns_of([ASKED, named]))
    assert check_turns(turns_of([ASKED, {**named, "reasoning_content": "Hm."}]))[-1].is_answer


@pytest.mark.parametrize("arguments", [{"at": "rain"}, '{"at": "rain"}'])
@pytest.mark.parametrize("earlier", [True, False])
def test_calls_of_tools_are_of_one_form_with_their_arguments_as_objects(arguments: Any, earlier: bool) -> None:
    call = {"name": "look", "arguments": arguments}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    message |= {"function_call": call} if earlier else {"tool_calls": [{"type": "function", "function": call}]}
    found = rows_of([{"messages": [ASKED, message]}], Columns(messages="messages"))
    (turn,) = (turn for turn in found.documents[0].turns if turn.role == "assistant")
    assert turn.is_answer
    assert json.loads(turn.more) == {"tool_calls": [{"type": "function", "function": CALL}]}
    assert found.remarks() == ()


def test_arguments_that_are_no_object_stay_as_they_are() -> None:
    for arguments in ("5", "not json", "[" * 100_000):
        message = {"role": "assistant", "tool_calls": [{"function": {"name": "look", "arguments": arguments}}, "odd"]}
        (turn,) = turns_of([message])
        assert json.loads(turn.more)["tool_calls"][0]["function"]["arguments"] == arguments


def test_a_content_of_null_gives_way_to_the_next_key() -> None:
    assert turns_of([{"from": "gpt", "content": None, "value": "Rain."}]) == (Turn("assistant", "Rain."),)
    assert turns_of([{"from": "gpt", "content": None}]) == (Turn("assistant", ""),)


def test_a_history_that_is_no_list_is_named() -> None:
    for value, kind in ((5, "a number"), ("x", "a text"), ({}, "an object"), (True, "true or false")):
        with pytest.raises(NoConversationError, match=f"^{kind} where a list of questions with their answers"):
            history_turns(value)
    rows = [{"q": "a?", "a": "b.", "history": history} for history in ([["c?", "d."]], 5)]
    found = rows_of(rows, Columns(prompt=("q",), completion="a", history="history"))
    assert len(found.documents) == 1
    assert "a number where a list" in explain_left_out(found.left_out)
    with pytest.raises(TaskError, match="a number where a list"):
        rows_of(rows[1:], Columns(prompt=("q",), completion="a", history="history"))


ANSWERED = [ASKED, {"role": "assistant", "content": "Rain."}]
TURNS = (Turn("user", "What is it?"), Turn("assistant", "Rain."))


def stored_as(kind: str, cells: dict[str, list[Any]]) -> Table:
    frame = pd.DataFrame(cells)
    data = io.BytesIO()
    if kind == "parquet":
        frame.to_parquet(data)
    elif kind == "jsonl":
        data.write("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")).encode())
    else:
        data.write(frame.to_csv(index=False).encode() if kind == "csv" else frame.to_json(orient="records").encode())
    (table,) = read_source(f"a.{kind}", data.getvalue())
    assert isinstance(table, Table)
    return table


@pytest.mark.parametrize("write", [json.dumps, repr])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_conversations_written_into_texts_are_conversations_in_tables_of_every_kind(kind: str, write: Any) -> None:
    table = stored_as(kind, {"id": ["1", "2", "3"], "talk": [write(ANSWERED)] * 3})
    guess = guess_columns(table)
    assert guess is not None
    assert guess.columns == Columns(messages="talk")
    assert rows_to_documents(table, guess.columns).documents[0].turns == TURNS
    with pytest.raises(TaskError, match="the cells of 'talk' are conversations; name it as messages_column"):
        rows_to_documents(table, Columns(text="talk"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_cells_that_are_cut_off_are_left_out_and_never_make_a_text_of_the_others(kind: str) -> None:
    whole = json.dumps(ANSWERED)
    table = stored_as(kind, {"text": [whole[:20], whole, whole, whole[:30], whole]})
    with pytest.raises(TaskError, match="the cells of 'text' are conversations"):
        rows_to_documents(table, Columns(text="text"))
    found = rows_to_documents(table, chosen_columns(table, Columns()))
    assert [document.turns for document in found.documents] == [TURNS] * 3
    assert "2 rows were left out: 'text' is not a list of messages in JSON" in explain_left_out(found.left_out)


def test_cut_off_prompts_and_completions_are_left_out() -> None:
    asked, said = json.dumps(ANSWERED[:1]), json.dumps(ANSWERED[1:])
    cells = {"prompt": [asked, asked[:20], asked, asked, asked], "completion": [said, said, said[:20], "Rain.", said]}
    found = rows_to_documents(stored_as("jsonl", cells), Columns(prompt=("prompt",), completion="completion"))
    assert [document.turns for document in found.documents] == [TURNS] * 3
    assert "'prompt' is JSON that is cut off or damaged" in explain_left_out(found.left_out)


def test_json_that_is_no_conversation_is_a_text_where_a_file_says_that_it_is() -> None:
    table = stored_as("jsonl", {"prompt": ["a", "b"], "completion": ['{"city": "Lyon"}', '["x"]']})
    found = rows_to_documents(table, chosen_columns(table, Columns()))
    assert [document.text for document in found.documents] == ['{"city": "Lyon"}', '["x"]']


def test_texts_among_lists_stay_as_they_are() -> None:
    rows = [{"q": "a?", "a": cell} for cell in (["x"], "5", '"Paris"', "[laughs] no", "null", "true")]
    found = rows_of(rows, Columns(prompt=("q",), completion="a"))
    assert [document.text for document in found.documents] == ["x", "5", '"Paris"', "[laughs] no", "null", "true"]
    rows = [{"prompt": ANSWERED[:1], "completion": cell} for cell in (ANSWERED[1:], "5", '"Paris"', "No idea.")]
    found = rows_of(rows, Columns(prompt=("prompt",), completion="completion"))
    assert [document.text for document in found.documents] == ["Rain.", "5", '"Paris"', "No idea."]


def test_lines_of_conversations_in_a_file_of_text_are_refused() -> None:
    contents = read_source("a.txt", "\n".join([json.dumps(ANSWERED)] * 3).encode())
    with pytest.raises(TaskError, match=r"^a\.txt: its documents are conversations written as JSON; name the file"):
        documents_of("a.txt", contents, None, "auto", Columns(), 0.1)


def test_a_history_of_plain_text_is_no_history() -> None:
    rows = [{"question": "a?", "answer": "b", "history": "asked before"}, {"question": "c?", "answer": "d"}]
    for kind in ("csv", "jsonl", "parquet"):
        table = stored_as(kind, pd.DataFrame(rows).fillna("").to_dict("list"))
        columns = chosen_columns(table, Columns())
        assert columns == Columns(prompt=("question",), completion="answer")
        assert unused_columns(table, columns) == ("history",)
    pairs = {"question": ["a?"], "answer": ["b"], "history": [json.dumps([["c?", "d."]])]}
    for kind in ("csv", "jsonl", "parquet"):
        assert chosen_columns(stored_as(kind, pairs), Columns()).history == "history"


def test_a_system_column_of_no_sentences_is_asked_about() -> None:
    rows = {"question": ["a?", "c?"], "answer": ["b", "d"], "system": ["Windows", "Linux 6"]}
    with pytest.raises(TaskError, match=r"is 'system' what is said before .* such as \"Windows\"\. Name the other"):
        chosen_columns(stored_as("csv", rows), Columns())
    talk = {"messages": [json.dumps(ANSWERED)] * 2, "system": ["Windows", "Linux 6"]}
    with pytest.raises(TaskError, match=r"\(messages_column: messages\), and system_column: system only if it is"):
        chosen_columns(stored_as("csv", talk), Columns())
    for said in ("Be brief.", "You are a helpful assistant", "请简短回答。"):
        told = chosen_columns(stored_as("csv", rows | {"system": [said, ""]}), Columns())
        assert told == Columns(prompt=("question",), completion="answer", system="system")
    assert chosen_columns(stored_as("csv", rows), Columns(prompt=("question",), completion="answer")).system is None


def test_a_system_column_beside_conversations_stands_before_those_that_have_none() -> None:
    own = [{"role": "system", "content": "Be kind."}, *ANSWERED]
    rows = [
        {"system": "Be brief.", "conversations": ANSWERED}, {"system": "", "conversations": ANSWERED},
        {"system": "Be brief.", "conversations": own}, {"system": "Be kind.", "conversations": own},
    ]  # fmt: skip
    (table,) = read_source("a.json", json.dumps(rows).encode())
    assert isinstance(table, Table)
    columns = chosen_columns(table, Columns())
    assert columns == Columns(messages="conversations", system="system")
    found = rows_to_documents(table, columns)
    said = [[turn.content for turn in document.turns if turn.role == "system"] for document in found.documents]
    assert said == [["Be brief."], [], ["Be kind."], ["Be kind."]]
    assert found.remarks() == (
        "1 conversation has another system message than the column beside it; the conversation's own is used.",
    )
    spec = TaskSpec(name="t", train="a.json", messages_column="conversations", system_column="system")
    assert Columns.of(spec) == columns
    for fields in ({"system_column": "s"}, {"history_column": "h", "messages_column": "m"}):
        with pytest.raises(ValidationError, match=r"system_column and history_column stand beside"):
            TaskSpec(name="t", train="a.json", **fields)


@pytest.mark.parametrize(
    ("weight", "is_learnt"),
    [(0, False), ("0", False), (0.0, False), (False, False), (1, True), ("1", True), (None, True)],
)
def test_a_weight_says_whether_an_answer_is_learnt(weight: Any, is_learnt: bool) -> None:
    (turn,) = turns_of([{"role": "assistant", "content": "x", "weight": weight}])
    assert turn.is_answer == is_learnt


@pytest.mark.parametrize("weight", [0.5, "half", -1, [0], 2])
def test_a_weight_between_or_beyond_leaves_the_conversation_out(weight: Any) -> None:
    rows = [{"messages": [ASKED, {"role": "assistant", "content": "x", "weight": weight}]}, {"messages": ANSWERED}]
    found = rows_of(rows, Columns(messages="messages"))
    assert len(found.documents) == 1
    assert f"a message of the weight {weight}, which is neither 0 nor 1" in explain_left_out(found.left_out)


def test_an_object_with_other_texts_is_not_its_text_alone() -> None:
    for cell in ({"text": "long", "summary": "short"}, {"text": ["a", "b"], "labels": ["x"]}):
        with pytest.raises(TaskError, match="the cells of 'a' are lists or objects"):
            rows_of([{"q": "?", "a": cell}], Columns(prompt=("q",), completion="a"))
        with pytest.raises(TaskError, match="the cells of 'a' are lists or objects"):
            rows_of([{"a": cell}], Columns(text="a"))
    squad = {"text": ["a"], "answer_start": [3], "score": 0.5, "note": ""}
    assert rows_of([{"q": "?", "a": squad}], Columns(prompt=("q",), completion="a")).documents[0].text == "a"


def test_calls_that_are_a_text_are_read_as_json_and_refused_where_they_are_no_list() -> None:
    calls = [{"type": "function", "function": CALL}]
    (turn,) = turns_of([{"role": "assistant", "tool_calls": json.dumps(calls)}])
    assert json.loads(turn.more) == {"tool_calls": calls}
    assert turns_of([{"role": "assistant", "content": "Rain.", "tool_calls": "[]"}]) == (Turn("assistant", "Rain."),)
    for wrong in ("look it up", '{"a": 1}', {"a": 1}):
        with pytest.raises(NoConversationError, match="list of calls of tools is expected"):
            turns_of([{"role": "assistant", "content": "Rain.", "tool_calls": wrong}])
