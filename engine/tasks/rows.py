"""The rows of a table as documents: texts, pairs of prompt and completion, or conversations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.common.errors import TaskError
from engine.common.quoting import listed, shortened
from engine.tasks.columns import Columns, holds_messages, loaded, nested_column
from engine.tasks.documents import Document, Turn
from engine.tasks.documents.conversations import (
    NoConversationError,
    are_messages,
    as_given,
    check_turns,
    empty_answers,
    flattened,
    history_turns,
    text_within,
    turns_of,
)
from engine.tasks.files.contents import LeftOut, Table

_BEGUN = re.compile(r"""\s*(?:\[\s*[\[{"']|\{\s*["'])""")


@dataclass
class DocumentsOfRows:
    """What the rows of one table gave."""

    documents: list[Document] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    several: Counter[str] = field(default_factory=Counter)
    """By column, how many cells hold several answers, the first of which is learnt."""
    unnamed_speakers: bool = False
    """Turns don't say whose they are."""
    unused_keys: Counter[str] = field(default_factory=Counter)
    """Keys of messages that nothing is taken from, with how often they stand."""
    empty_answers: int = 0
    """Answers before others that say nothing: they are only read."""
    own_system: int = 0
    """Conversations with a system message of their own, which stays, and another one beside them."""

    def remarks(self) -> tuple[str, ...]:
        """Whole sentences about what was passed over."""
        found = [
            f"In {count:,} rows '{shortened(name)}' holds several texts; the first is learnt."
            if count > 1
            else f"In one row '{shortened(name)}' holds several texts; the first is learnt."
            for name, count in self.several.items()
        ]
        if self.unnamed_speakers:
            found.append("The turns don't say whose they are: the first, third, … are read as the user's.")
        if self.own_system:
            have = "1 conversation has" if self.own_system == 1 else f"{self.own_system:,} conversations have"
            found.append(f"{have} another system message than the column beside it; the conversation's own is used.")
        if self.empty_answers:
            one = self.empty_answers == 1
            were = "1 empty answer is" if one else f"{self.empty_answers:,} empty answers are"
            found.append(f"{were} only read: learnt, {'it' if one else 'they'} would teach to say nothing.")
        if self.unused_keys:
            names = [f"'{name}'" for name, _ in self.unused_keys.most_common()]
            found.append(f"Not used of the messages: {listed(names, 8)}.")
        return tuple(found)


class _EmptyError(ValueError):
    """The cell that would be learnt is empty."""


def rows_to_documents(table: Table, columns: Columns) -> DocumentsOfRows:
    """One document a row; rows that can't be used are left out, each with its reason.

    Raises TaskError where none can be used, and where lists or objects stand where text is expected.
    """
    rows = DocumentsOfRows()
    learnt = columns.messages or columns.completion or columns.text
    _refuse_nested(table, columns)
    for where, document in zip(table.frame.index, _documents(table, columns, rows), strict=True):
        if isinstance(document, Document):
            rows.documents.append(document)
        else:
            rows.left_out.append(LeftOut(f"{table.row_word} {where}", document))
    if not rows.documents:
        reasons = {one.reason for one in rows.left_out}
        if all(reason.endswith("is empty") for reason in reasons):
            raise TaskError(
                f"{table.name}: the column '{shortened(str(learnt))}' is empty in every row; choose another column."
            )
        first = rows.left_out[0]
        raise TaskError(
            f"{table.name}, {first.where}: no row can be used, this one because: {first.reason}; choose another column."
        )
    return rows


def _documents(table: Table, columns: Columns, rows: DocumentsOfRows) -> Iterator[Document | str]:
    """A document for each row, or the reason why there is none."""
    cells = [table.frame[name] for name in columns.names]
    if not columns.messages and not columns.system and not columns.history and not table.nested & set(columns.names):
        yield from _plain(columns, cells)
        return
    as_chat = columns.messages is not None or any(
        (columns.system, columns.history, *(holds_messages(table, name) for name in columns.names))
    )
    for values in zip(*cells, strict=True):
        row = dict(zip(columns.names, values, strict=True))
        try:
            yield _conversation(table, columns, row, rows) if as_chat else _text(table, columns, row, rows)
        except (NoConversationError, _EmptyError) as error:
            yield str(error)


def _plain(columns: Columns, cells: Sequence[Iterable[str]]) -> Iterator[Document | str]:
    """The same where every cell is a text: tables of a million rows are such."""
    learnt = columns.text if columns.text is not None else columns.completion
    assert learnt is not None
    empty = f"'{shortened(learnt)}' is empty"
    if not columns.prompt:
        yield from (Document(text) if text.strip() else empty for text in cells[0])
    elif len(columns.prompt) == 1:
        yield from (Document(text, prompt) if text.strip() else empty for prompt, text in zip(*cells, strict=True))
    else:
        for *prompts, text in zip(*cells, strict=True):
            joined = "\n\n".join(prompt for prompt in prompts if prompt.strip())
            yield Document(text, joined) if text.strip() else empty


def _text(table: Table, columns: Columns, row: dict[str, str], rows: DocumentsOfRows) -> Document:
    learnt = columns.text if columns.text is not None else columns.completion
    assert learnt is not None
    text = _flat(table, learnt, row[learnt], rows)
    if not text.strip():
        raise _EmptyError(f"'{shortened(learnt)}' is empty")
    return Document(text, _prompt(table, columns, row, rows))


def _prompt(table: Table, columns: Columns, row: dict[str, str], rows: DocumentsOfRows) -> str:
    parts = [_flat(table, name, row[name], rows) for name in columns.prompt]
    return parts[0] if len(parts) == 1 else "\n\n".join(part for part in parts if part.strip())


def _conversation(table: Table, columns: Columns, row: dict[str, str], rows: DocumentsOfRows) -> Document:
    if columns.messages is not None:
        return _checked(_with_system(columns, row, _turns(row[columns.messages], columns.messages, rows), rows), rows)
    turns: list[Turn] = []
    if columns.history and row[columns.history].strip():
        turns += history_turns(_value(row[columns.history], columns.history) or [])
    asked = []
    for name in columns.prompt:
        if are_messages(_list_or_object(table, name, row[name])):
            turns += as_given(_turns(row[name], name, rows))
        elif row[name].strip():
            asked.append(_flat(table, name, row[name], rows))
    if asked:
        turns.append(Turn("user", "\n\n".join(asked)))
    assert columns.completion is not None
    if not row[columns.completion].strip():
        raise _EmptyError(f"'{shortened(columns.completion)}' is empty")
    answer = _list_or_object(table, columns.completion, row[columns.completion])
    if answer is not None and flattened(answer) is None:
        turns += _turns(row[columns.completion], columns.completion, rows)
    else:
        turns.append(Turn("assistant", _flat(table, columns.completion, row[columns.completion], rows)))
    return _checked(_with_system(columns, row, turns, rows), rows)


def _with_system(columns: Columns, row: dict[str, str], turns: Sequence[Turn], rows: DocumentsOfRows) -> Sequence[Turn]:
    said = row[columns.system] if columns.system else ""
    own = [turn.content for turn in turns if turn.role == "system"]
    if not said.strip() or said in own:
        return turns
    if own:
        rows.own_system += 1
        return turns
    return [Turn("system", said), *turns]


def _checked(turns: Sequence[Turn], rows: DocumentsOfRows) -> Document:
    checked = check_turns(turns)
    rows.empty_answers += empty_answers(checked, turns)
    return Document.conversation(checked)


def _turns(cell: str, name: str, rows: DocumentsOfRows) -> tuple[Turn, ...]:
    if not cell.strip():
        raise _EmptyError(f"'{shortened(name)}' is empty")
    value = _value(cell, name)
    rows.unnamed_speakers |= isinstance(value, list) and all(isinstance(item, str) for item in value)
    return turns_of(value, rows.unused_keys)


def _value(cell: str, name: str) -> Any:
    try:
        return loaded(cell)
    except ValueError:
        raise NoConversationError(f"'{shortened(name)}' is not a list of messages in JSON") from None


def _list_or_object(table: Table, name: str, cell: str) -> Any:
    """What stands in a cell of a column of lists and objects; None for a text among them, and for an empty cell.

    Raises NoConversationError for what begins as one of these and does not end, as where a cell was cut off.
    """
    if name not in table.nested or not cell.strip():
        return None
    try:
        value = loaded(cell)
    except ValueError:
        if _BEGUN.match(cell):
            raise NoConversationError(f"'{shortened(name)}' is JSON that is cut off or damaged") from None
        return None
    return value if isinstance(value, list | dict) else None


def _flat(table: Table, name: str, cell: str, rows: DocumentsOfRows) -> str:
    """The text of a cell; of several answers in one the first."""
    value = _list_or_object(table, name, cell)
    if value is None:
        return cell
    text = flattened(value)
    if text is not None:
        return text
    answers = text_within(value)
    if isinstance(answers, list) and answers and isinstance(answers[0], str):
        rows.several[name] += 1
        return answers[0]
    raise nested_column(table, name)


def _refuse_nested(table: Table, columns: Columns) -> None:
    """A column of text must not hold conversations: they would be learnt as JSON."""
    for name in columns.names:
        if name in (columns.text, columns.system) and holds_messages(table, name):
            raise TaskError(
                f"{table.name}: the cells of '{shortened(name)}' are conversations; name it as messages_column."
            )
