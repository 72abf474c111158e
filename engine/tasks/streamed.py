"""A task that is read as a stream, where its files allow it: JSON Lines as the library writes them, on both sides.

Equal to what `load_task` gives, without ever holding its texts: the first pass finds which lines repeat others, and
every later one yields the documents.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.tasks.columns import Columns
from engine.tasks.documents import Document, Task, TaskReading
from engine.tasks.documents.conversations import check_turns, empty_answers, turns_of
from engine.tasks.files.encodings import clean
from engine.tasks.library import facts_beside
from engine.tasks.load import division_remarks, load_task
from engine.tasks.splitting import document_key
from engine.tasks.tables.nested import is_written_messages

if TYPE_CHECKING:
    from engine.tasks.spec import TaskSpec

_DIGEST = np.dtype("V16")


class _NotPlain(Exception):  # noqa: N818 - says that the general reader must look
    """A line is not what the library writes."""


@dataclass(frozen=True)
class StoredDocuments:
    """One side of a task, read anew whenever it is iterated."""

    paths: tuple[Path, ...]
    columns: Columns
    """Of the text, of one prompt and completion, or of conversations."""
    kept: NDArray[np.bool_]
    """Per line whether it is a document, and no earlier line's repetition."""

    def __len__(self) -> int:
        return int(self.kept.sum())

    def __iter__(self) -> Iterator[Document]:
        return (document for document, kept in zip(_read(self.paths, self.columns), self.kept, strict=True) if kept)


@dataclass(frozen=True)
class StoredTask:
    """A task whose texts stay on disk."""

    name: str
    train: StoredDocuments
    held_out: StoredDocuments
    reading: TaskReading


def open_task(spec: "TaskSpec") -> Task | StoredTask:
    """The task of `load_task`, as a stream where its files are plain. Raises TaskError as `load_task` does."""
    task = _as_stream(spec) or load_task(spec)
    kept = facts_beside(spec.train)
    if kept is None:
        return task
    # What was left out of the files that the task was made from, and how their columns were called.
    remarks = tuple(dict.fromkeys((*kept.remarks, *task.reading.remarks)))
    reading = replace(
        task.reading, remarks=remarks, columns=kept.columns or task.reading.columns, unused_columns=kept.unused_columns
    )
    return replace(task, reading=reading)


def _as_stream(spec: "TaskSpec") -> StoredTask | None:
    """None where the general reader must look."""
    train, test = tuple(map(Path, spec.train)), tuple(map(Path, spec.test))
    columns = Columns.of(spec)
    known = columns.names and len(columns.prompt) < 2 and not columns.system and not columns.history
    if not (test and known and all(path.suffix == ".jsonl" for path in train + test)):
        return None
    if spec.encoding not in (None, "utf-8"):
        return None
    try:
        (tested, test_prompts), (learnt, prompts) = (_digests(paths, columns) for paths in (test, train))
    except (OSError, ValueError, _NotPlain):
        return None  # the general reader says what is wrong, or reads what is not
    first = _first_of_each(learnt)
    kept = first & ~np.isin(learnt, tested)
    if not kept.any():
        return None
    held_out = _first_of_each(tested)
    repeated = int((~first).sum() + (~held_out).sum())
    reading = TaskReading(
        kind="chat" if spec.messages_column else "pairs" if prompts or test_prompts else "text",
        columns=columns.names,
        remarks=tuple(division_remarks(repeated, int(first.sum() - kept.sum()))),
    )
    sides = StoredDocuments(train, columns, kept), StoredDocuments(test, columns, held_out)
    return StoredTask(spec.name, *sides, reading)


def _read(paths: Sequence[Path], columns: Columns) -> Iterator[Document]:
    """A document a line. Raises _NotPlain, OSError or ValueError."""
    for path in paths:
        if not path.is_file():  # a pipe or a device may never end
            raise _NotPlain
        with path.open("rb") as file:
            for line in file:
                yield _document(line, columns)


def _document(line: bytes, columns: Columns) -> Document:
    row = json.loads(line.decode("utf-8"))
    if b"\r" in line or not isinstance(row, dict) or row.keys() != set(columns.names):
        raise _NotPlain
    if columns.messages is not None:
        return _conversation(row[columns.messages])
    values = [row[column] for column in columns.names]
    if not all(isinstance(value, str) for value in values):
        raise _NotPlain
    *prompt, text = map(clean, values)
    if not text.strip() or any(map(is_written_messages, values)):
        raise _NotPlain
    return Document(text, prompt[0] if prompt else "")


def _conversation(value: Any) -> Document:
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        raise _NotPlain  # also bare texts, whose speakers are a guess
    unused: Counter[str] = Counter()
    turns = turns_of(value, unused)
    checked = check_turns(turns)
    if unused or empty_answers(checked, turns):
        raise _NotPlain  # there is something to say of it
    return Document.conversation(checked)


def _digests(paths: Sequence[Path], columns: Columns) -> tuple[NDArray[np.void], bool]:
    """Per document 128 bits that are equal where the documents count as the same; and whether any has a prompt."""
    found = bytearray()
    prompts = False
    for document in _read(paths, columns):
        prompts = prompts or bool(document.prompt)
        found += hashlib.blake2b(repr(document_key(document)).encode(), digest_size=_DIGEST.itemsize).digest()
    if not found:
        raise _NotPlain
    return np.frombuffer(bytes(found), _DIGEST), prompts


def _first_of_each(digests: NDArray[np.void]) -> NDArray[np.bool_]:
    first: NDArray[np.bool_] = np.zeros(len(digests), np.bool_)
    first[np.unique(digests, return_index=True)[1]] = True
    return first
