"""How many tokens a draw from a memory reads, worked out from the sizes of its tasks and without their texts."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import cycle, islice, permutations

_DRAWS = 48
"""Draws whose mean is taken."""
_LEAST_OF_A_ROW, _TOLERATED = 0.25, 0.1
"""A draw is rounded to whole rows where that changes it by less than so much of a row, or by less than this share of
what is wanted: a row that is partly empty costs as much as a full one."""


def rounding(targets_a_row: float, wanted: float) -> float:
    """By how many target tokens a draw of `wanted` may miss them so that it is of whole rows."""
    return min(max(_LEAST_OF_A_ROW * targets_a_row, _TOLERATED * wanted), targets_a_row / 2)


@dataclass(frozen=True)
class KeptTask:
    """A past task of which documents are kept: sums over all of its documents, and some of them one by one."""

    documents: int
    targets: float
    reads: float
    """All tokens, those that are read and not learnt with them."""
    sample: tuple[tuple[int, int], ...] = ()
    """Target tokens and tokens read of some documents; without any, all are taken to be of one length."""


@dataclass(frozen=True)
class Drawn:
    """What a draw has in the mean."""

    targets: float
    reads: float


@lru_cache(maxsize=4096)
def mean_draw(past: tuple[KeptTask, ...], size: int, wanted: int, block_size: int) -> Drawn:
    """The mean draw of `wanted` target tokens from a memory of `size` documents of the tasks `past`, by the rule of
    `Memory.places`: rows are taken to be full and alike, single pieces are those of the sampled documents."""
    share = size // max(1, len(past))
    tasks = [_Kept(task, min(share, task.documents), block_size) for task in past if share and task.targets]
    generator = random.Random(0)  # noqa: S311
    draws = [_draw(order, wanted, generator) for order in _orders(tasks, generator)] if tasks else [Drawn(0, 0)]
    return Drawn(sum(each.targets for each in draws) / len(draws), sum(each.reads for each in draws) / len(draws))


class _Kept:
    """The kept documents of one task."""

    def __init__(self, task: KeptTask, documents: int, block_size: int) -> None:
        self.documents, self._block_size = documents, block_size
        self._sample = task.sample or ((task.targets / task.documents, task.reads / task.documents),)
        self.reads = documents * task.reads / task.documents
        self.targets_a_token = task.targets / task.reads
        self.row_reads = min(float(block_size), self.reads)

    def piece(self, generator: random.Random) -> Drawn:
        """A random piece of a random document: all but a document's last fill a block."""
        targets, reads = generator.choice(self._sample)
        before = self._block_size * generator.randrange(max(1, math.ceil(reads / self._block_size)))
        part = min(self._block_size, reads - before)
        return Drawn(targets * part / max(1, reads), part)


def _orders(tasks: Sequence[_Kept], generator: random.Random) -> list[Sequence[_Kept]]:
    """Orders of the tasks, as they are drawn: of a few tasks each order equally often."""
    if len(tasks) <= 4:
        return list(islice(cycle(permutations(tasks)), _DRAWS))
    return [generator.sample(tasks, len(tasks)) for _ in range(_DRAWS)]


def _draw(order: Sequence[_Kept], wanted: int, generator: random.Random) -> Drawn:
    """One draw with the tasks in this order."""
    left, reads = float(wanted), 0.0
    drawn, unread = dict.fromkeys(order, 0.0), {task: task.reads for task in order}
    while with_rows := [task for task in order if unread[task] > 0]:
        task = min(with_rows, key=lambda each: drawn[each])
        a_row = task.row_reads * task.targets_a_token
        may_miss = rounding(a_row, wanted)
        if left < a_row - may_miss:
            if not reads or left >= may_miss:
                more = _pieces(sorted(order, key=lambda each: drawn[each]), left, generator)
                return Drawn(wanted - left + more.targets, reads + more.reads)
            break
        unread[task] -= task.row_reads
        drawn[task] += a_row
        left -= a_row
        reads += task.row_reads
    return Drawn(wanted - left, reads)


def _pieces(order: Sequence[_Kept], wanted: float, generator: random.Random) -> Drawn:
    """Single pieces, task by task until the share of the tasks so far is reached, at most one of each document."""
    targets, reads = 0.0, 0.0
    for number, task in enumerate(order, start=1):
        for _ in range(task.documents):
            if targets >= wanted * number / len(order):
                break
            piece = task.piece(generator)
            targets, reads = targets + piece.targets, reads + piece.reads
    return Drawn(targets, reads)
