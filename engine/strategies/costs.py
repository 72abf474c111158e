"""What a stage of a strategy costs beside plain training, as data."""

from __future__ import annotations

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
    """Numbers that are remembered of each target token of kept documents, in memory and in the stage's checkpoint."""

    documents: int
    """At most, of all past tasks together."""
    numbers_per_token: int


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
    """Tensors of the weights' size that are remembered beside the weights, in memory and in the stage's checkpoint."""
    copies: int = 0
    """Tensors of the weights' size that the stage's steps hold in memory alone."""
    documents: int = 0
    """Past documents that are kept, at most."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Cost)))
