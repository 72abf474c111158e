"""The past documents that a strategy may use: a fixed number, balanced over the past tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch

from engine.strategies.base import Batch
from engine.strategies.tools.memory_draws import rounding
from engine.tokens.blocks import IGNORED, Blocks, EncodedDocument, Piece, best_fit, cut, laid_out

Place: TypeAlias = tuple[int, int]
"""A task of the memory, and a piece of its documents, both counted from 0."""


@dataclass(frozen=True, eq=False)
class PackedTask:
    """One task's documents cut into pieces, and packed into rows once: a row is nearly full, and every piece stands in
    one row."""

    pieces: tuple[Piece, ...]
    targets: tuple[int, ...]
    """Target tokens of each piece."""
    of_document: tuple[tuple[int, ...], ...]
    """The pieces of each document."""
    place_of: tuple[tuple[int, int], ...]
    """The document of each piece, and how many target tokens of it come before the piece."""
    rows: tuple[tuple[int, ...], ...]
    """The pieces of each row."""

    @cached_property
    def targets_a_row(self) -> float:
        """Their mean; summed once, since a draw asks for it with every row."""
        return sum(self.targets) / len(self.rows)

    @staticmethod
    def of(documents: Sequence[EncodedDocument], block_size: int, together: bool) -> "PackedTask":
        pieces: list[Piece] = []
        of_document, place_of, targets = [], list[tuple[int, int]](), list[int]()
        for number, document in enumerate(documents):
            parts = cut(document, block_size)
            of_document.append(tuple(range(len(pieces), len(pieces) + len(parts))))
            pieces += parts
            before = 0
            for part in parts:
                place_of.append((number, before))
                targets.append(int((part.targets != IGNORED).sum()))
                before += targets[-1]
        rows = [(number,) for number in range(len(pieces))]
        if together:
            order, counts = best_fit(np.array([len(each.input_ids) for each in pieces], np.int64), block_size)
            ends = np.cumsum(counts).tolist()
            rows = [tuple(order[end - count : end].tolist()) for end, count in zip(ends, counts.tolist(), strict=True)]
        return PackedTask(tuple(pieces), tuple(targets), tuple(of_document), tuple(place_of), tuple(rows))


@dataclass(frozen=True)
class Memory:
    """At most `size` documents. Each task's stand in a random order fixed when they came in, so that making room
    for a new task keeps a uniform sample of the older ones."""

    size: int
    tasks: tuple[Sequence[EncodedDocument], ...] = ()
    _packed: dict[tuple[int, bool], tuple[PackedTask, ...]] = field(
        default_factory=dict, compare=False, repr=False, metadata={"written": False}
    )

    def __len__(self) -> int:
        return sum(len(documents) for documents in self.tasks)

    def with_task(self, documents: Sequence[EncodedDocument], generator: torch.Generator) -> "Memory":
        """The memory after one more task: every task keeps size // tasks documents, the first ones one more."""
        share, extra = divmod(self.size, len(self.tasks) + 1)
        shares = [share + (1 if number < extra else 0) for number in range(len(self.tasks) + 1)]
        chosen = torch.randperm(len(documents), generator=generator)[: shares[-1]].tolist()
        tasks = (*self.tasks, tuple(documents[i] for i in chosen))
        return Memory(self.size, tuple(docs[:kept] for docs, kept in zip(tasks, shares, strict=True)))

    def beside(self, batch: Batch, ratio: float, generator: torch.Generator) -> Blocks | None:
        """About `ratio` target tokens for each of the batch's own, in rows like its; None if nothing is kept."""
        return self.blocks(self.places_beside(batch, ratio, generator), batch.block_size, batch.packed)

    def places_beside(self, batch: Batch, ratio: float, generator: torch.Generator) -> list[list[Place]]:
        """The pieces that `beside` draws, row by row."""
        wanted = max(1, round(batch.blocks.target_tokens * ratio))
        return self.places(wanted, batch.block_size, generator, batch.packed)

    def places(
        self, target_tokens: int, block_size: int, generator: torch.Generator, together: bool = True
    ) -> list[list[Place]]:
        """The pieces of about `target_tokens` target tokens, row by row.

        Whole packed rows are drawn without replacement, each from the task that has the fewest tokens so far; what is
        left of less than a row is drawn piece by piece. Every piece of a task is as likely as any other. The more rows
        a draw has, the nearer the tasks come to the same share of its target tokens. A draw of a row or less is a row
        or a few pieces, of one task or of each: a task whose documents hold few targets, such as one of conversations,
        then has few of the tokens, however many draws there are (`memory_draws.mean_draw` works it out).
        """
        packed = self.packed(block_size, together)
        tasks = [task for task in torch.randperm(len(packed), generator=generator).tolist() if packed[task].rows]
        orders = {task: torch.randperm(len(packed[task].rows), generator=generator).tolist() for task in tasks}
        drawn, left = dict.fromkeys(tasks, 0), float(target_tokens)
        rows: list[list[Place]] = []
        while open_tasks := [task for task in tasks if orders[task]]:
            task = min(open_tasks, key=lambda each: drawn[each])
            own = packed[task]
            a_row = own.targets_a_row
            may_miss = rounding(a_row, target_tokens)
            if left < a_row - may_miss:
                if not rows or left >= may_miss:
                    pieces = self._pieces(packed, sorted(tasks, key=lambda each: drawn[each]), left, generator)
                    rows += _in_rows(pieces, packed, block_size, together)
                break
            row = own.rows[orders[task].pop(0)]
            rows.append([(task, piece) for piece in row])
            drawn[task] += sum(own.targets[piece] for piece in row)
            left -= a_row
        return rows

    def _pieces(
        self, packed: Sequence[PackedTask], tasks: Sequence[int], target_tokens: float, generator: torch.Generator
    ) -> list[Place]:
        """Pieces of documents in random order, task by task, until the shares of the tasks so far are reached. What a
        piece is too long by is taken from the tasks after it."""
        found, drawn = [], 0
        for number, task in enumerate(tasks, start=1):
            for index in torch.randperm(len(packed[task].of_document), generator=generator).tolist():
                if drawn >= target_tokens * number / len(tasks):
                    break
                if parts := packed[task].of_document[index]:
                    piece = parts[int(torch.randint(len(parts), (1,), generator=generator))]
                    found.append((task, piece))
                    drawn += packed[task].targets[piece]
        return found

    def blocks(self, rows: Sequence[Sequence[Place]], block_size: int, together: bool = True) -> Blocks | None:
        """The rows as tokens, cut to the longest of them."""
        if not rows:
            return None
        packed = self.packed(block_size, together)
        pieces = [packed[task].pieces[number] for row in rows for task, number in row]
        lengths = np.array([len(piece.input_ids) for piece in pieces], np.int64)
        counts = np.array([len(row) for row in rows], np.int64)
        width = int(np.add.reduceat(lengths, np.cumsum(counts) - counts).max())
        inputs = torch.cat([piece.input_ids for piece in pieces]).numpy()
        targets = torch.cat([piece.targets for piece in pieces]).numpy()
        return laid_out(inputs, targets, lengths, counts, width)

    def packed(self, block_size: int, together: bool = True) -> tuple[PackedTask, ...]:
        """Every task's documents in rows; packed once."""
        key = block_size, together
        if key not in self._packed:
            self._packed[key] = tuple(PackedTask.of(task, block_size, together) for task in self.tasks)
        return self._packed[key]


def _in_rows(
    pieces: Sequence[Place], packed: Sequence[PackedTask], block_size: int, together: bool
) -> list[list[Place]]:
    if not together:
        return [[piece] for piece in pieces]
    lengths = np.array([len(packed[task].pieces[number].input_ids) for task, number in pieces], np.int64)
    order, counts = best_fit(lengths, block_size)
    ordered = iter([pieces[number] for number in order.tolist()])
    return [[next(ordered) for _ in range(count)] for count in counts.tolist()]
