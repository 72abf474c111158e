"""A task that is read as a stream, where its files allow it: JSON Lines as the library writes them, on both sides.

Equal to what `load_task` gives, without ever holding its texts: the first pass finds which lines repeat others, and
every later one yields the documents.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.tasks.documents import Document, Task
from engine.tasks.encodings import clean
from engine.tasks.load import load_task
from engine.tasks.splitting import document_key

if TYPE_CHECKING:
    from engine.experiment import TaskSpec

_DIGEST = np.dtype("V16")


class _NotPlain(Exception):  # noqa: N818 - says that the general reader must look
    """A line is not what the library writes."""


@dataclass(frozen=True)
class StoredDocuments:
    """One side of a task, read anew whenever it is iterated."""

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    """Of the text, or of prompt and completion."""
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


def open_task(spec: "TaskSpec") -> Task | StoredTask:
    """The task of `load_task`, as a stream where its files are plain. Raises TaskError as `load_task` does."""
    train, test = tuple(map(Path, spec.train)), tuple(map(Path, spec.test))
    columns = (spec.text_column,) if spec.text_column else (*(spec.prompt_column or (None,)), spec.completion_column)
    plain = spec.test and all(path.suffix == ".jsonl" for path in train + test) and spec.encoding in (None, "utf-8")
    if not plain or None in columns or len(columns) > 2:
        return load_task(spec)
    names = tuple(str(column) for column in columns)
    try:
        tested, learnt = _digests(test, names), _digests(train, names)
    except (OSError, ValueError, _NotPlain):
        return load_task(spec)  # which says what is wrong, or reads what is not
    kept = _first_of_each(learnt) & ~np.isin(learnt, tested)
    if not kept.any():
        return load_task(spec)
    return StoredTask(
        spec.name, StoredDocuments(train, names, kept), StoredDocuments(test, names, _first_of_each(tested))
    )


def _read(paths: Sequence[Path], columns: tuple[str, ...]) -> Iterator[Document]:
    """A document a line. Raises _NotPlain, OSError or ValueError."""
    for path in paths:
        if not path.is_file():  # a pipe or a device may never end
            raise _NotPlain
        with path.open("rb") as file:
            for line in file:
                yield _document(line, columns)


def _document(line: bytes, columns: tuple[str, ...]) -> Document:
    row = json.loads(line.decode("utf-8"))
    if b"\r" in line or not isinstance(row, dict) or row.keys() != set(columns):
        raise _NotPlain
    values = [row[column] for column in columns]
    if not all(isinstance(value, str) for value in values):
        raise _NotPlain
    *prompt, text = map(clean, values)
    if not text.strip():
        raise _NotPlain
    return Document(text, prompt[0] if prompt else "")


def _digests(paths: Sequence[Path], columns: tuple[str, ...]) -> NDArray[np.void]:
    """Per document 128 bits that are equal where the documents count as the same."""
    found = bytearray()
    for document in _read(paths, columns):
        found += hashlib.blake2b(repr(document_key(document)).encode(), digest_size=_DIGEST.itemsize).digest()
    if not found:
        raise _NotPlain
    return np.frombuffer(bytes(found), _DIGEST)


def _first_of_each(digests: NDArray[np.void]) -> NDArray[np.bool_]:
    first: NDArray[np.bool_] = np.zeros(len(digests), np.bool_)
    first[np.unique(digests, return_index=True)[1]] = True
    return first
