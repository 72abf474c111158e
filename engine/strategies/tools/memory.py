"""The past documents that replay may use: a fixed number, balanced over the past tasks."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from engine.tokens.blocks import Blocks, EncodedDocument, cut, pack


@dataclass(frozen=True)
class Memory:
    """At most `size` documents. Each task's stand in a random order fixed when they came in, so that making room
    for a new task keeps a uniform sample of the older ones."""

    size: int
    tasks: tuple[tuple[EncodedDocument, ...], ...] = ()

    def __len__(self) -> int:
        return sum(len(documents) for documents in self.tasks)

    def with_task(self, documents: Sequence[EncodedDocument], generator: torch.Generator) -> "Memory":
        """The memory after one more task: every task keeps size // tasks documents, the first ones one more."""
        share, extra = divmod(self.size, len(self.tasks) + 1)
        shares = [share + (1 if number < extra else 0) for number in range(len(self.tasks) + 1)]
        chosen = torch.randperm(len(documents), generator=generator)[: shares[-1]].tolist()
        tasks = (*self.tasks, tuple(documents[i] for i in chosen))
        return Memory(self.size, tuple(docs[:kept] for docs, kept in zip(tasks, shares, strict=True)))

    def draw(
        self, target_tokens: int, block_size: int, generator: torch.Generator, together: bool = True
    ) -> Blocks | None:
        """About `target_tokens` target tokens, the same share from every task, packed; None if nothing is kept.

        Whole pieces are drawn without replacement, task by task in random order, until the shares of the tasks so far
        are reached. What a piece is too long by is taken from the tasks after it: a draw is as large with fifty past
        tasks as with one, and of many tasks each has its share over the draws.
        """
        tasks = [docs for docs in self.tasks if docs]
        pieces, drawn = [], 0
        for number, task in enumerate(torch.randperm(len(tasks), generator=generator).tolist(), start=1):
            documents = tasks[task]
            for index in torch.randperm(len(documents), generator=generator).tolist():
                if drawn >= target_tokens * number / len(tasks):
                    break
                parts = cut(documents[index], block_size)
                part = parts[int(torch.randint(len(parts), (1,), generator=generator))]
                pieces.append(part)
                drawn += int((part.targets >= 0).sum())
        return pack(pieces, block_size, together) if pieces else None
