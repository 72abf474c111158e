"""A task's documents as packed rows that are put together when a step asks for them.

What is kept of a row is where its pieces stand: the tokens stay where the documents are. The rows are exactly those of
`blocks.pack` over `blocks.cut`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.common.ranges import ranges, sums
from engine.tokens.blocks import IGNORED, Blocks, best_fit, laid_out
from engine.tokens.chat_templates import Mask
from engine.tokens.encoded_documents import EncodedDocuments, TokenFile
from engine.tokens.tokenisation import Counts, Ids

_COUNTED_AT_A_TIME = 10_000
"""Pieces."""


class Rows(Protocol):
    """Packed rows, held or put together on demand: `Blocks`, `PackedRows` and `JoinedRows`."""

    def __len__(self) -> int: ...

    @property
    def width(self) -> int:
        """Tokens of the longest row there may be."""

    @property
    def target_tokens(self) -> int:
        """How many positions predict something."""

    @property
    def row_targets(self) -> Tensor:
        """The same of each row, int64 [B]."""

    def select(self, rows: Tensor) -> Blocks:
        """These rows, cut to the longest of them."""

    def split(self, rows: int) -> Iterator[Blocks]:
        """Consecutive parts of at most `rows` rows, each cut to its longest."""


@dataclass(frozen=True, eq=False)
class PackedRows:
    """Rows of `width` tokens. Pieces stand row by row: their numbers are [P], those of rows [B]."""

    tokens: Ids | TokenFile
    width: int
    starts: Counts
    """Where in `tokens` each piece's first input stands; its targets stand one further."""
    lengths: NDArray[np.int32]
    """Inputs of each piece."""
    unscored: NDArray[np.int32]
    """How many of a piece's first inputs predict nothing: those of a prompt."""
    first_pieces: Counts
    """Per row the number of its first piece, and the number of all pieces at the end: [B+1]."""
    row_targets: Tensor
    learnt: Mask | TokenFile | None = None
    """Beside `tokens`, which of them are targets; None: all that are scored."""

    def __len__(self) -> int:
        return len(self.first_pieces) - 1

    @property
    def target_tokens(self) -> int:
        return int(self.row_targets.sum())

    @property
    def fill(self) -> float:
        """The share of all places that hold a token."""
        return int(self.lengths.sum(dtype=np.int64)) / max(len(self) * self.width, 1)

    def select(self, rows: Tensor) -> Blocks:
        chosen = rows.numpy()
        pieces_of = self.first_pieces[chosen + 1] - self.first_pieces[chosen]
        pieces = ranges(self.first_pieces[chosen], pieces_of)
        lengths = self.lengths[pieces].astype(np.int64)
        positions = ranges(np.zeros(len(pieces), np.int64), lengths)
        sources = ranges(self.starts[pieces], lengths)
        ignored = positions < np.repeat(self.unscored[pieces], lengths)
        if self.learnt is not None:
            ignored |= ~self.learnt[sources + 1]
        targets = np.where(ignored, IGNORED, self.tokens[sources + 1])
        width = int(sums(lengths, pieces_of).max(initial=1))
        return laid_out(self.tokens[sources], targets, lengths, pieces_of, width)

    def split(self, rows: int) -> Iterator[Blocks]:
        for start in range(0, len(self), rows):
            yield self.select(torch.arange(start, min(start + rows, len(self))))


@dataclass(frozen=True, eq=False)
class JoinedRows:
    """The rows of several tasks one after the other, copied nowhere."""

    parts: Sequence[Rows]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def width(self) -> int:
        return max(part.width for part in self.parts)

    @property
    def target_tokens(self) -> int:
        return sum(part.target_tokens for part in self.parts)

    @property
    def row_targets(self) -> Tensor:
        return torch.cat([part.row_targets for part in self.parts])

    def select(self, rows: Tensor) -> Blocks:
        ends = torch.tensor([len(part) for part in self.parts]).cumsum(0)
        owners = torch.searchsorted(ends, rows, right=True)
        chosen = {}
        for number in owners.unique().tolist():
            mine = owners == number
            first = int(ends[number]) - len(self.parts[number])
            chosen[number] = mine, self.parts[number].select(rows[mine] - first)
        shape = (len(rows), max((part.width for _, part in chosen.values()), default=1))
        found = Blocks(torch.zeros(shape).long(), torch.full(shape, IGNORED), torch.zeros(shape).long())
        for mine, part in chosen.values():
            for whole, own in (
                (found.input_ids, part.input_ids),
                (found.targets, part.targets),
                (found.position_ids, part.position_ids),
            ):
                whole[mine, : part.width] = own
        return found

    def split(self, rows: int) -> Iterator[Blocks]:
        for start in range(0, len(self), rows):
            yield self.select(torch.arange(start, min(start + rows, len(self))))


def pack_documents(documents: EncodedDocuments, block_size: int, together: bool = True) -> PackedRows:
    """Cut documents into pieces of at most `block_size` inputs and pack them by best-fit decreasing; with `together`
    false one piece a row. Pieces that predict nothing are left out."""
    inputs = np.maximum(documents.lengths - 1, 0)
    pieces_of = -(-inputs // block_size)
    within = ranges(np.zeros(len(documents), np.int64), pieces_of) * block_size
    starts = np.repeat(documents.starts, pieces_of) + within
    lengths = np.minimum(np.repeat(inputs, pieces_of) - within, block_size).astype(np.int32)
    unscored = np.clip(np.repeat(documents.first_targets - 1, pieces_of) - within, 0, lengths).astype(np.int32)
    targets = _targets(documents, starts, lengths, unscored)
    predicts = targets > 0
    starts, lengths, unscored, targets = starts[predicts], lengths[predicts], unscored[predicts], targets[predicts]
    if together:
        order, counts = best_fit(lengths, block_size)
        starts, lengths, unscored, targets = starts[order], lengths[order], unscored[order], targets[order]
    else:
        counts = np.ones(len(lengths), np.int64)
    first_pieces = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    row_targets = torch.from_numpy(sums(targets, counts))
    return PackedRows(
        documents.tokens, block_size, starts, lengths, unscored, first_pieces, row_targets, documents.learnt
    )


def _targets(
    documents: EncodedDocuments, starts: Counts, lengths: NDArray[np.int32], unscored: NDArray[np.int32]
) -> NDArray[np.int64]:
    """How many targets each piece has."""
    if documents.learnt is None:
        return (lengths - unscored).astype(np.int64)
    found = np.zeros(len(starts), np.int64)
    for at in range(0, len(starts), _COUNTED_AT_A_TIME):
        part = slice(at, at + _COUNTED_AT_A_TIME)
        counts = lengths[part].astype(np.int64)
        marks = documents.learnt[ranges(starts[part] + 1, counts)]
        found[part] = sums(marks.astype(np.int64), counts)
    return found
