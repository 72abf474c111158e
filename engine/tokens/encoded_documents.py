"""A side of a task in tokens: one flat sequence of token ids, in memory or on disk, and where each document stands."""

import contextlib
import mmap
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from engine.common.ranges import ranges, sums
from engine.tasks.documents import Document
from engine.tokens.blocks import EncodedDocument
from engine.tokens.chat_templates import Mask
from engine.tokens.document_encoding import DocumentEncoder, Encoded, PairEncoder, batches
from engine.tokens.tokenisation import Counts, Ids, make_encoder

_BATCH = 1_000_000
"""Characters that are encoded at a time."""
_RESIDENT = 64_000_000
"""Bytes read from a mapped file before its pages are given back."""
_COUNTED_AT_A_TIME = 10_000
"""Documents."""
_TOKENS, _LEARNT, _TABLE = "tokens.i32", "learnt.bool", "documents.npy"


class TokenFile:
    """A file of int32 token ids, or of marks on them, mapped into memory; what was read does not stay resident."""

    def __init__(self, path: Path, kind: type[np.int32] | type[np.bool_] = np.int32) -> None:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self._ids: NDArray[Any] = np.frombuffer(self._map, kind) if self._map is not None else np.zeros(0, kind)
        self._read = 0
        self._lock = threading.Lock()
        self._advise("MADV_RANDOM")

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, where: slice | NDArray[np.int64]) -> NDArray[Any]:
        """A copy of these entries."""
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
    learnt: Mask | TokenFile | None = None
    """Beside `tokens`, which of them are targets; None: all of a document from its first target on."""

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> EncodedDocument: ...
    @overload
    def __getitem__(self, index: slice) -> "EncodedDocuments": ...
    def __getitem__(self, index: int | slice) -> "EncodedDocument | EncodedDocuments":
        if isinstance(index, slice):
            return self.take(index)
        span = slice(int(self.starts[index]), int(self.starts[index]) + int(self.lengths[index]))
        ids = torch.from_numpy(np.array(self.tokens[span]))
        learnt = None if self.learnt is None else torch.from_numpy(np.array(self.learnt[span]))
        return EncodedDocument(ids, int(self.first_targets[index]), int(self.text_bytes[index]), learnt)

    def take(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "EncodedDocuments":
        """Some of the documents; their tokens stay where they are."""
        return EncodedDocuments(
            self.tokens, self.starts[which], self.lengths[which], self.first_targets[which], self.text_bytes[which],
            self.learnt,
        )  # fmt: skip

    @cached_property
    def targets(self) -> Counts:
        """How many target tokens each document has."""
        if self.learnt is None:
            return self.lengths - self.first_targets
        counts = np.zeros(len(self), np.int64)
        for at in range(0, len(self), _COUNTED_AT_A_TIME):
            part = slice(at, at + _COUNTED_AT_A_TIME)
            marks = self.learnt[ranges(self.starts[part], self.lengths[part])]
            counts[part] = sums(marks.astype(np.int64), self.lengths[part])
        return counts

    @property
    def target_tokens(self) -> int:
        return int(self.targets.sum())

    @property
    def read_tokens(self) -> int:
        """How many tokens the model is given, learnt or not: all of a document but its last."""
        return int((self.lengths - 1).clip(0).sum())

    @classmethod
    def of(cls, documents: Sequence[EncodedDocument]) -> "EncodedDocuments":
        """Single documents as a sequence of this kind."""
        if isinstance(documents, cls):
            return documents
        ids = [document.token_ids.numpy() for document in documents]
        masks = [document.mask.numpy() for document in documents]
        lengths = np.array([len(each) for each in ids], np.int64)
        return cls(
            np.concatenate([np.zeros(0, np.int32), *ids]),
            np.cumsum(lengths) - lengths,
            lengths,
            np.array([document.first_target for document in documents], np.int64),
            np.array([document.text_bytes for document in documents], np.int64),
            np.concatenate(masks) if any(document.learnt is not None for document in documents) else None,
        )


def encode(
    tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document], bos: int, eos: int, separator: str = ""
) -> EncodedDocuments:
    """Texts and pairs, in memory. Special tokens spelled out in a text stay text; prompt and text share no token."""
    return encode_with(PairEncoder(make_encoder(tokenizer), bos, eos, separator), documents)


def encode_with(encoder: DocumentEncoder, documents: Iterable[Document]) -> EncodedDocuments:
    """Documents of every kind, in memory."""
    parts = [encoder(batch) for batch in batches(documents, _BATCH)]
    tokens = np.concatenate([np.zeros(0, np.int32), *(part.tokens for part in parts)])
    masks = [part.learnt for part in parts if part.learnt is not None]
    learnt = np.concatenate(masks) if masks else None
    return _with_tokens(tokens, _table(parts), learnt)


def write(folder: Path, encoder: DocumentEncoder, documents: Iterable[Document]) -> None:
    """The same into a folder, a batch at a time, for `read`. Raises OSError."""
    folder.mkdir()
    parts = []
    with (folder / _TOKENS).open("wb") as tokens, contextlib.ExitStack() as stack:
        masks = None
        for part in (encoder(batch) for batch in batches(documents, _BATCH)):
            tokens.write(part.tokens.data)
            if part.learnt is not None:
                masks = masks or stack.enter_context((folder / _LEARNT).open("wb"))
                masks.write(part.learnt.data)
            parts.append(replace(part, tokens=part.tokens[:0], learnt=None))
    np.save(folder / _TABLE, _table(parts))


def read(folder: Path) -> EncodedDocuments:
    """What `write` wrote, left on disk. Raises OSError or ValueError."""
    mask = folder / _LEARNT
    learnt = TokenFile(mask, np.bool_) if mask.is_file() else None
    return _with_tokens(TokenFile(folder / _TOKENS), np.load(folder / _TABLE), learnt)


def _table(parts: Sequence[Encoded]) -> NDArray[np.int64]:
    """Lengths, first targets and bytes of text, int64 [3, n]."""
    rows = [np.stack([part.lengths, part.first_targets, part.text_bytes]) for part in parts]
    return np.concatenate([np.zeros((3, 0), np.int64), *rows], axis=1)


def _with_tokens(
    tokens: Ids | TokenFile, table: NDArray[np.int64], learnt: Mask | TokenFile | None
) -> EncodedDocuments:
    lengths, first_targets, text_bytes = table
    if any(int(lengths.sum()) != len(part) for part in (tokens, learnt) if part is not None):
        raise ValueError("the tokens are not those of the documents")
    return EncodedDocuments(tokens, np.cumsum(lengths) - lengths, lengths, first_targets, text_bytes, learnt)
