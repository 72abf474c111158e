"""Messages as data sets hold them: what is learnt of them, what is only read, and what is said."""

import json
from typing import Any

import pytest

from engine.errors import TaskError
from engine.tasks.columns import Columns
from engine.tasks.contents import Table, explain_left_out
from engine.tasks.conversations import NoConversationError, check_turns, history_turns, turns_of
from engine.tasks.documents import Turn
from engine.tasks.readers import read_source
from engine.tasks.rows import Rows, rows_to_documents

ASKED = {"role": "user", "content": "What is it?"}
CALL = {"name": "look", "arguments": {"at": "rain"}}


def rows_of(rows: list[Any], columns: Columns) -> Rows:
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
