"""Documents to packed blocks of tokens.

A document is the token sequence  bos, prompt…, text…, eos.  Every text token and the eos is predicted exactly
once. Documents longer than a block are cut into pieces; pieces share blocks by best fit, each with positions
of its own from 0, which transformers takes as the sign to keep attention inside each piece.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from engine.common.device_transfers import sent
from engine.common.ranges import Ints, ranges, sums

IGNORED = -100
"""Target of positions that predict nothing: prompts and padding."""


@dataclass(frozen=True, eq=False)
class EncodedDocument:
    """A document as tokens. Targets are `token_ids[first_target:]`, or of them what `learnt` marks, each predicted from
    everything before it."""

    token_ids: Tensor
    """int32 [n]: bos, prompt, text, eos."""
    first_target: int
    text_bytes: int
    """UTF-8 bytes of the text alone."""
    learnt: Tensor | None = None
    """bool [n]: which tokens are targets; None: all from the first target on."""

    @property
    def mask(self) -> Tensor:
        """bool [n]: which tokens are targets."""
        return torch.arange(len(self.token_ids)) >= self.first_target if self.learnt is None else self.learnt

    @property
    def target_tokens(self) -> int:
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False)
class Piece:
    """At most a block of consecutive inputs of one document and what each must predict. Both int64 [n]."""

    input_ids: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed rows of tokens, all int64 [B, L]; `position_ids` restart at 0 with each piece."""

    input_ids: Tensor
    targets: Tensor
    position_ids: Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def width(self) -> int:
        return self.input_ids.shape[1]

    @property
    def target_tokens(self) -> int:
        """How many positions predict something."""
        return int((self.targets != IGNORED).sum())

    @property
    def row_targets(self) -> Tensor:
        """The same of each row, int64 [B]."""
        return (self.targets != IGNORED).sum(1)

    def select(self, rows: Tensor) -> "Blocks":
        """These rows, cut to the longest of them."""
        return Blocks(self.input_ids[rows], self.targets[rows], self.position_ids[rows])._trimmed()

    def split(self, rows: int) -> Iterator["Blocks"]:
        """Consecutive parts of at most `rows` rows, each cut to its longest."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield Blocks(self.input_ids[part], self.targets[part], self.position_ids[part])._trimmed()

    @staticmethod
    def joined(parts: "Sequence[Blocks]") -> "Blocks":
        """All rows of all parts, filled up to the longest."""
        if len(parts) == 1:
            return parts[0]
        length = max(part.input_ids.shape[1] for part in parts)

        def rows(tensors: list[Tensor], filling: int) -> Tensor:
            return torch.cat([F.pad(tensor, (0, length - tensor.shape[1]), value=filling) for tensor in tensors])

        return Blocks(
            rows([part.input_ids for part in parts], 0),
            rows([part.targets for part in parts], IGNORED),
            rows([part.position_ids for part in parts], 0),
        )

    def to(self, device: torch.device) -> "Blocks":
        return Blocks(*(sent(each, device) for each in (self.input_ids, self.targets, self.position_ids)))

    def _trimmed(self) -> "Blocks":
        used = (self.targets != IGNORED).any(0).nonzero()
        length = int(used[-1]) + 1 if len(used) else 1
        return Blocks(self.input_ids[:, :length], self.targets[:, :length], self.position_ids[:, :length])


def cut(document: EncodedDocument, block_size: int) -> list[Piece]:
    """Consecutive pieces of at most `block_size` inputs; those that predict nothing are left out."""
    ids = document.token_ids.long()
    targets = ids[1:].clone()
    targets[: document.first_target - 1] = IGNORED
    if document.learnt is not None:
        targets[~document.learnt[1:]] = IGNORED
    starts = range(0, len(targets), block_size)
    pieces = [Piece(ids[:-1][s : s + block_size], targets[s : s + block_size]) for s in starts]
    return [piece for piece in pieces if bool((piece.targets != IGNORED).any())]


def pack(pieces: Sequence[Piece], block_size: int, together: bool = True) -> Blocks:
    """Pack pieces into rows of `block_size` by best-fit decreasing; with `together` false one piece a row."""
    lengths = np.array([len(piece.input_ids) for piece in pieces], np.int64)
    if together:
        order, pieces_of = best_fit(lengths, block_size)
    else:
        order, pieces_of = np.arange(len(pieces)), np.ones(len(pieces), np.int64)
    ordered = [pieces[number] for number in order.tolist()]
    none = [torch.zeros(0, dtype=torch.int64)]
    inputs = torch.cat([*none, *(piece.input_ids for piece in ordered)]).numpy()
    targets = torch.cat([*none, *(piece.targets for piece in ordered)]).numpy()
    return laid_out(inputs, targets, lengths[order], pieces_of, block_size)


def laid_out(inputs: Ints, targets: Ints, lengths: Ints, pieces_of: Ints, width: int) -> Blocks:
    """Rows of `width` whose pieces stand one after the other, filled up with zeros that predict nothing.

    `inputs` and `targets` hold the pieces of all rows joined [N], `lengths` [P] says how long each is and `pieces_of`
    [B] how many each row has; positions restart with each piece.
    """
    used = sums(lengths, pieces_of)
    places = ranges(np.arange(len(pieces_of)) * width, used)
    found = np.zeros((3, len(pieces_of) * width), np.int64)
    found[1] = IGNORED
    found[0, places], found[1, places] = inputs, targets
    found[2, places] = ranges(np.zeros(len(lengths), np.int64), lengths)
    return Blocks(*torch.from_numpy(found.reshape(3, len(pieces_of), width)))


def best_fit(lengths: Ints, capacity: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Best-fit decreasing: each item goes to the fullest row that still holds it. Gives the items row by row, and how
    many each row has."""
    order = np.argsort(-lengths, kind="stable")
    row_of = np.empty(len(order), np.int64)
    rows = int((lengths == capacity).sum())  # an item as long as a row fills one
    row_of[:rows] = np.arange(rows)
    with_space: dict[int, list[int]] = defaultdict(list)
    spaces: list[int] = []
    for number, length in enumerate(lengths[order[rows:]].tolist(), start=rows):
        at = bisect_left(spaces, length)
        if at == len(spaces):
            row, space = rows, capacity
            rows += 1
        else:
            space = spaces[at]
            row = with_space[space].pop()
            if not with_space[space]:
                spaces.pop(at)
        row_of[number] = row
        left = space - length
        if left:
            if not with_space[left]:
                insort(spaces, left)
            with_space[left].append(row)
    return order[np.argsort(row_of, kind="stable")], np.bincount(row_of, minlength=rows)
