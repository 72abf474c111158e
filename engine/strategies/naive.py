"""Plain fine-tuning, task after task: the lower bound."""

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.strategies.base import Strategy


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Naive(Strategy):
    """min L(new)."""

    name: ClassVar[str] = "naive"
    title: ClassVar[str] = "Naive fine-tuning"
    summary: ClassVar[str] = "Trains on each task in turn and protects nothing: what forgetting looks like."
    null: ClassVar[dict[str, float]] = {}

    def acts(self, stage: int) -> bool:
        return False
