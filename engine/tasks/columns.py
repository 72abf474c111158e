"""Which columns of a table are learnt: the guess, the choice, and what is left unused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.common.errors import TaskError
from engine.common.quoting import listed, shortened
from engine.tasks.documents.conversations import (
    NoConversationError,
    are_messages,
    flattened,
    history_turns,
    is_conversation,
    text_within,
    turns_of,
)
from engine.tasks.files.contents import Table

if TYPE_CHECKING:
    import pandas as pd

    from engine.tasks.spec import TaskSpec

_TEXT_NAMES = (
    "text", "content", "body", "document", "article", "passage", "message", "review", "sentence", "utterance",
    "story", "description", "query", "question", "abstract", "transcript", "comment", "正文", "文本", "内容",
)  # fmt: skip
_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("prompt", "answer"), ("prompt", "chosen"),
    ("instruction", "output"), ("instruction", "response"), ("instruction", "answer"), ("instruction", "completion"),
    ("question", "answer"), ("question", "answers"), ("question", "response"), ("query", "answer"),
    ("query", "answers"), ("query", "response"), ("user", "assistant"), ("input", "output"), ("source", "target"),
    ("context", "response"), ("问题", "答案"), ("问题", "回答"), ("指令", "输出"),
)  # fmt: skip
_MORE_OF_THE_PROMPT = {
    "instruction": ((), ("input", "context")), "指令": ((), ("输入",)),
    "question": (("context", "passage"), ()), "query": (("context", "passage"), ()),
}  # fmt: skip
"""Columns that belong to a prompt: those that stand before its own column, and those after it."""
_CONVERSATIONS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "chosen")
"""Under these names lists of bare texts are conversations, too; under others they may be anything."""
_SYSTEM, _HISTORY = ("system", "system_prompt"), ("history",)
_SENTENCE_ENDS = (".", "!", "?", ":", "。", "！", "？", "：")
_GUESS_ROWS = 200
_MADE_UP = re.compile(r"column \d+")


@dataclass(frozen=True)
class Columns:
    """The column of the whole text; or those of prompt and completion; or the column of conversations."""

    text: str | None = None
    prompt: tuple[str, ...] = ()
    """The prompt is those of their cells that are not empty, joined by a blank line."""
    completion: str | None = None
    messages: str | None = None
    system: str | None = None
    """Beside the others: what is said before a conversation that has no such message. It makes a conversation of every
    row."""
    history: str | None = None
    """Beside prompt and completion: earlier questions and answers of the same conversation."""

    @property
    def names(self) -> tuple[str, ...]:
        """All that are used."""
        single = (self.completion, self.text, self.messages, self.system, self.history)
        return (*self.prompt, *(name for name in single if name is not None))

    @classmethod
    def of(cls, spec: TaskSpec) -> Columns:
        """Those that a task's specification names."""
        return cls(
            spec.text_column, spec.prompt_column or (), spec.completion_column, spec.messages_column,
            spec.system_column, spec.history_column,
        )  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """A first proposal; `by_name` is False where only the lengths of the cells speak for it."""

    columns: Columns
    by_name: bool
    question: str = ""
    """What speaks against it, as a sentence to ask about; "" for nothing."""
    about_system: str = ""
    """The same about the column that would be said before each conversation."""


def guess_columns(table: Table) -> Guess | None:
    """The likely conversations, prompt and completion, or text of a table; None where no column can be any of these."""
    frame = table.frame
    by_lower = {str(name).strip().lower(): str(name) for name in reversed(frame.columns)}
    conversations = _guess_conversations(table, by_lower)
    if conversations is not None:
        system = _system(frame, by_lower)
        conversations = replace(conversations, system=system)
        return Guess(conversations, by_name=True, about_system=_is_it_said(frame, system))
    usable = {lower: name for lower, name in by_lower.items() if _can_be_text(table, name)}
    for prompt, completion in _PAIRS:
        if prompt in usable and completion in usable:
            return _guess_pair(table, usable, by_lower, prompt, completion)
    plain = {lower: name for lower, name in usable.items() if name not in table.nested}
    for lower in _TEXT_NAMES:
        if lower in plain:
            return Guess(Columns(text=plain[lower]), by_name=True)
    if not plain:
        return None
    head = frame.head(_GUESS_ROWS)
    lengths = {name: head[name].str.len().sum() for name in map(str, frame.columns) if name in plain.values()}
    longest = max(lengths, key=lambda name: lengths[name])
    return Guess(Columns(text=longest), by_name=len(lengths) == 1)


def chosen_columns(table: Table, wanted: Columns) -> Columns:
    """The wanted columns, or the guess where none are named. Raises TaskError where they are missing or unclear."""
    names = [str(name) for name in table.frame.columns]
    if wanted.names:
        for name in wanted.names:
            if name not in names:
                raise TaskError(f"{table.name}: there is no column '{shortened(name)}'; choose one of {listed(names)}.")
        return wanted
    guess = guess_columns(table)
    if guess is None:
        raise nested_column(table, sorted(table.nested)[0])
    if not guess.by_name:
        raise TaskError(
            f"{table.name}: has the columns {_shown(table)}; say which is the text (text_column), which two are prompt "
            "and completion (prompt_column, completion_column), or which holds conversations (messages_column)."
        )
    if guess.question:
        raise TaskError(
            f"{table.name}: {guess.question} Say which is which by prompt_column and completion_column; prompt_column "
            f"could be '{shortened(guess.columns.prompt[0])}'."
        )
    if guess.about_system:
        raise TaskError(
            f"{table.name}: {guess.about_system} Name the others that are learnt ({listed(_fields(guess))}), and "
            f"system_column: {shortened(str(guess.columns.system))} only if it is."
        )
    return guess.columns


def _fields(guess: Guess) -> list[str]:
    columns = guess.columns
    if columns.messages:
        return [f"messages_column: {shortened(columns.messages)}"]
    prompt = ", ".join(map(shortened, columns.prompt))
    return [f"prompt_column: [{prompt}]", f"completion_column: {shortened(str(columns.completion))}"]


def _shown(table: Table) -> str:
    """The columns' names; beside names that are only numbers, what stands in the first row."""
    first = table.frame.iloc[0] if len(table.frame) else {}
    names = [
        f'{name} ("{shortened(str(first[name]), 30)}")' if _MADE_UP.fullmatch(str(name)) and len(first) else str(name)
        for name in table.frame.columns
    ]
    return listed(names)


def unused_columns(table: Table, columns: Columns) -> tuple[str, ...]:
    """The names of those that nothing is taken from."""
    used = set(columns.names)
    return tuple(str(name) for name in table.frame.columns if str(name) not in used)


def nested_column(table: Table, name: str) -> TaskError:
    """What to say where lists or objects can't become text."""
    return TaskError(
        f"{table.name}: the cells of '{shortened(name)}' are lists or objects, which are neither text nor "
        "conversations (lists of messages with 'role' and 'content', or 'from' and 'value'); choose another column, or "
        "write what is to be learnt into a column of plain text."
    )


def loaded(cell: str) -> Any:
    """The value of a nested cell; None for an empty one. Raises ValueError."""
    try:
        return json.loads(cell) if cell.strip() else None
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def holds_conversations(table: Table, name: str) -> bool:
    """Whether most of a nested column's first cells are messages with their roles."""
    return _mostly(table, name, is_conversation)


def holds_messages(table: Table, name: str) -> bool:
    """The same of messages that may be the user's alone."""
    return _mostly(table, name, are_messages)


def _mostly(table: Table, name: str, holds: Callable[[Any], bool]) -> bool:
    if name not in table.nested:
        return False
    found = [holds(value) for value in _first_values(table.frame[name])]
    return sum(found) * 2 > len(found)


def _guess_conversations(table: Table, by_lower: Mapping[str, str]) -> Columns | None:
    for completion in (by_lower.get("completion"), by_lower.get("chosen")):
        for asked in ("prompt", "messages", "conversations", "conversation", "question"):
            if completion and asked in by_lower and _answers_alone(table, completion):
                return Columns(prompt=(by_lower[asked],), completion=completion)
    named = [by_lower[lower] for lower in _CONVERSATIONS if lower in by_lower]
    for name in named:
        if holds_conversations(table, name):
            return Columns(messages=name)
    others = [str(name) for name in table.frame.columns if holds_conversations(table, str(name))]
    if others:
        return Columns(messages=others[0])
    for name in named:
        if name in table.nested and _are_turns(_first_values(table.frame[name])):
            return Columns(messages=name)
    return None


def _answers_alone(table: Table, name: str) -> bool:
    """Whether the cells are messages of the assistant without what was asked."""
    return holds_conversations(table, name) and not _mostly(table, name, _asks)


def _asks(value: Any) -> bool:
    return are_messages(value) and any(turn.role == "user" for turn in turns_of(value))


def _guess_pair(
    table: Table, usable: Mapping[str, str], by_lower: Mapping[str, str], prompt: str, completion: str
) -> Guess:
    before, after = _MORE_OF_THE_PROMPT.get(prompt, ((), ()))
    names = (*(n for n in before if n in usable), prompt, *(n for n in after if n in usable))
    system = _system(table.frame, by_lower)
    history = next((by_lower[n] for n in _HISTORY if n in by_lower and _are_pairs(table.frame[by_lower[n]])), None)
    columns = Columns(
        prompt=tuple(usable[name] for name in names), completion=usable[completion], system=system, history=history
    )
    question = _wrong_way_round(table.frame, usable[prompt], usable[completion])
    return Guess(columns, True, question, _is_it_said(table.frame, system))


def _system(frame: pd.DataFrame, by_lower: Mapping[str, str]) -> str | None:
    return next((by_lower[name] for name in _SYSTEM if name in by_lower and _has_cells(frame[by_lower[name]])), None)


def _is_it_said(frame: pd.DataFrame, system: str | None) -> str:
    """Asks where a column of this name holds no sentences: "Windows" is not what a conversation begins with."""
    if system is None or system.strip().lower() != _SYSTEM[0]:
        return ""
    filled = [cell.strip() for cell in frame[system].head(_GUESS_ROWS) if cell.strip()]
    sentences = sum(cell.endswith(_SENTENCE_ENDS) or len(cell.split()) > 4 for cell in filled)
    if sentences * 2 > len(filled):
        return ""
    example = f' such as "{shortened(filled[0], 30)}"' if filled else ""
    return f"is '{shortened(system)}' what is said before each conversation? Its cells are no sentences{example}."


def _are_pairs(cells: pd.Series[str]) -> bool:
    """Whether most of the cells are lists of questions with their answers."""
    values = [value for value in _first_values(cells) if value not in ([], {})]
    found = []
    for value in values:
        try:
            found.append(bool(history_turns(value)))
        except NoConversationError:
            found.append(False)
    return sum(found) * 2 > len(found)


def _wrong_way_round(frame: pd.DataFrame, prompt: str, completion: str) -> str:
    """Asks where the completions are questions and the prompts are none."""
    head = frame.head(_GUESS_ROWS)
    asked, answered = _share_of_questions(head[prompt]), _share_of_questions(head[completion])
    if answered < 0.5 or asked > 0.1:
        return ""
    return (
        f"by their names '{shortened(prompt)}' is the prompt and '{shortened(completion)}' the completion, but most "
        f"cells of '{shortened(completion)}' are questions and those of '{shortened(prompt)}' are not."
    )


def _share_of_questions(cells: pd.Series[str]) -> float:
    filled = [cell.rstrip() for cell in cells if cell.strip()]
    return sum(cell.endswith(("?", "？")) for cell in filled) / len(filled) if filled else 0.0


def _can_be_text(table: Table, name: str) -> bool:
    if name not in table.nested:
        return True
    values = _first_values(table.frame[name])
    return all(flattened(value) is not None or _several_answers(value) for value in values)


def _several_answers(value: Any) -> bool:
    texts = text_within(value)
    return isinstance(texts, list) and bool(texts) and all(isinstance(text, str) for text in texts)


def _are_turns(values: Sequence[Any]) -> bool:
    try:
        return all(len(turns_of(value)) > 1 for value in values)
    except NoConversationError:
        return False


def _has_cells(cells: pd.Series[str]) -> bool:
    return bool((cells.str.strip().isin(["", "[]", "{}"]) == False).any())  # noqa: E712 - elementwise


def _first_values(cells: Iterable[str]) -> list[Any]:
    filled = islice((cell for cell in cells if cell.strip()), 50)
    values = []
    for cell in filled:
        try:
            values.append(loaded(cell))
        except ValueError:
            values.append(None)
    return values
