"""What a stage of a strategy costs beside plain training, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Reading:
    """Documents of a stage's own task that are read at its end, one by one."""

    documents: int
    """At most; a smaller task is read whole."""
    shared_as: tuple[Any, ...] | None = None
    """The parts that `StageView.cached` is given, so that runs which share the result pay once; None where none do."""
    backward: bool = True
    """Whether a gradient is taken, or the model only looks."""


@dataclass(frozen=True)
class Remembered:
    """What is remembered of each target token of kept documents, in memory and in what a run is resumed from: numbers,
    each but the last beside the token that it is of."""

    documents: int
    """At most, of all past tasks together."""
    numbers_per_token: int

    def tokens(self, finished: Sequence[tuple[int, int]]) -> float:
        """How many target tokens the kept documents have after these tasks, each with as many documents and target
        tokens: every task has the same share of the documents."""
        share, extra = divmod(self.documents, max(1, len(finished)))
        shares = [share + (number < extra) for number in range(len(finished))]
        return sum(
            min(1.0, own / max(1, documents)) * tokens
            for own, (documents, tokens) in zip(shares, finished, strict=True)
        )


@dataclass(frozen=True)
class Cost:
    """What a stage costs beside plain training on the plan's tasks. Costs of strategies side by side add up."""

    tokens_per_new_token: float = 0.0
    """Tokens that a step reads forward and backward beside each new one."""
    forward_per_new_token: float = 0.0
    """Tokens that a step reads forward alone for each new one, as a teacher does."""
    written_texts: int = 0
    """Texts that the model writes before the stage, a token a pass."""
    readings: tuple[Reading, ...] = ()
    """At the end of the stage, unless it is the last."""
    remembered: tuple[Remembered, ...] = ()
    tensors: int = 0
    """Tensors of the weights' size that are remembered beside the weights, in memory and in what a run resumes from."""
    copies: int = 0
    """Tensors of the weights' size that the stage's steps hold in memory alone."""
    documents: int = 0
    """Past documents that are kept, at most."""

    def written_tokens(self, before: Sequence[tuple[int, int]], block_size: int) -> float:
        """How many tokens the written texts have, each as many as the mean document of the tasks before the stage,
        given as documents and target tokens, and at most a block, as without any task before."""
        documents = sum(documents for documents, _ in before)
        mean = sum(tokens for _, tokens in before) / documents if documents else block_size
        return self.written_texts * min(mean, block_size)

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Cost)))
