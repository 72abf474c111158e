"""A side of a task in tokens: one flat sequence of token ids, in memory or on disk, and where each document stands."""

import mmap
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from engine.blocks import EncodedDocument
from engine.ragged import ranges
from engine.tasks.documents import Document
from engine.tokenisation import Counts, Encode, Ids, make_encoder

_BATCH = 1_000_000
"""Characters that are encoded at a time."""
_RESIDENT = 64_000_000
"""Bytes read from a mapped file before its pages are given back."""
_TOKENS, _TABLE = "tokens.i32", "documents.npy"


class TokenFile:
    """A file of int32 token ids, mapped into memory; what was read of it does not stay resident."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self._ids: Ids = np.frombuffer(self._map, np.int32) if self._map is not None else np.zeros(0, np.int32)
        self._read = 0
        self._lock = threading.Lock()
        self._advise("MADV_RANDOM")

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, where: slice | NDArray[np.int64]) -> Ids:
        """A copy of these ids."""
        found = np.array(self._ids[where])
        with self._lock:
            self._read += max(found.nbytes, mmap.PAGESIZE)
            if self._read > _RESIDENT:
                self._read = 0
                self._advise("MADV_DONTNEED")
        return found

    def _advise(self, name: str) -> None:
        advice = getattr(mmap, name, None)  # not every system has them
        if advice is not None and self._map is not None:
            self._map.madvise(advice)


@dataclass(frozen=True, eq=False)
class EncodedDocuments(Sequence[EncodedDocument]):
    """Documents as tokens. Document i is `tokens[starts[i] : starts[i] + lengths[i]]`; all numbers are int64 [n]."""

    tokens: Ids | TokenFile
    starts: Counts
    lengths: Counts
    first_targets: Counts
    text_bytes: Counts
    """Of the texts alone, in UTF-8."""

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> EncodedDocument: ...
    @overload
    def __getitem__(self, index: slice) -> "EncodedDocuments": ...
    def __getitem__(self, index: int | slice) -> "EncodedDocument | EncodedDocuments":
        if isinstance(index, slice):
            return self.take(index)
        start = int(self.starts[index])
        ids = torch.from_numpy(np.array(self.tokens[start : start + int(self.lengths[index])]))
        return EncodedDocument(ids, int(self.first_targets[index]), int(self.text_bytes[index]))

    def take(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "EncodedDocuments":
        """Some of the documents; their tokens stay where they are."""
        return EncodedDocuments(
            self.tokens, self.starts[which], self.lengths[which], self.first_targets[which], self.text_bytes[which]
        )

    @property
    def target_tokens(self) -> int:
        return int(self.lengths.sum()) - int(self.first_targets.sum())

    @classmethod
    def of(cls, documents: Sequence[EncodedDocument]) -> "EncodedDocuments":
        """Single documents as a sequence of this kind."""
        if isinstance(documents, cls):
            return documents
        ids = [document.token_ids.numpy() for document in documents]
        lengths = np.array([len(each) for each in ids], np.int64)
        return cls(
            np.concatenate([np.zeros(0, np.int32), *ids]),
            np.cumsum(lengths) - lengths,
            lengths,
            np.array([document.first_target for document in documents], np.int64),
            np.array([document.text_bytes for document in documents], np.int64),
        )


def encode(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], bos: int, eos: int) -> EncodedDocuments:
    """Tokenise documents, in memory. Special tokens spelled out in a text stay text; prompt and text never share a
    token."""
    parts = list(_parts(make_encoder(tokenizer), documents, bos, eos))
    tokens = np.concatenate([np.zeros(0, np.int32), *(tokens for tokens, _ in parts)])
    return _with_tokens(tokens, _table([table for _, table in parts]))


def write(folder: Path, encode_texts: Encode, documents: Iterable[Document], bos: int, eos: int) -> None:
    """The same into a folder, a batch at a time, for `read`. Raises OSError."""
    folder.mkdir()
    tables = []
    with (folder / _TOKENS).open("wb") as file:
        for tokens, table in _parts(encode_texts, documents, bos, eos):
            file.write(tokens.data)
            tables.append(table)
    np.save(folder / _TABLE, _table(tables))


def read(folder: Path) -> EncodedDocuments:
    """What `write` wrote, left on disk. Raises OSError or ValueError."""
    return _with_tokens(TokenFile(folder / _TOKENS), np.load(folder / _TABLE))


def _parts(
    encode_texts: Encode, documents: Iterable[Document], bos: int, eos: int
) -> Iterator[tuple[Ids, NDArray[np.int64]]]:
    """Batches of documents: their tokens, and lengths, first targets and bytes of text as int64 [3, n]."""
    for batch in _batches(documents):
        (prompts, in_prompt), (texts, in_text) = (
            encode_texts([d.prompt for d in batch]), encode_texts([d.text for d in batch]),
        )  # fmt: skip
        lengths = in_prompt + in_text + 2
        starts = np.cumsum(lengths) - lengths
        tokens = np.empty(int(lengths.sum()), np.int32)
        tokens[starts], tokens[starts + lengths - 1] = bos, eos
        tokens[ranges(starts + 1, in_prompt)] = prompts
        tokens[ranges(starts + 1 + in_prompt, in_text)] = texts
        text_bytes = [len(d.text.encode("utf-8", "surrogatepass")) for d in batch]
        yield tokens, np.stack([lengths, in_prompt + 1, np.array(text_bytes, np.int64)])


def _batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) + len(document.prompt)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _table(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros((3, 0), np.int64), *parts], axis=1)


def _with_tokens(tokens: Ids | TokenFile, table: NDArray[np.int64]) -> EncodedDocuments:
    lengths, first_targets, text_bytes = table
    if int(lengths.sum()) != len(tokens):
        raise ValueError("the tokens are not those of the documents")
    return EncodedDocuments(tokens, np.cumsum(lengths) - lengths, lengths, first_targets, text_bytes)
