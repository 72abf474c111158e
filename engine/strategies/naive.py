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
    short_title: ClassVar[str] = "Naive"
    summary: ClassVar[str] = "Trains on each task in turn and protects nothing: what forgetting looks like."
    choose_when: ClassVar[str] = "Always, to see what is lost without protection; it costs nothing more."
    source: ClassVar[tuple[str, str]] = (
        "McCloskey & Cohen 1989, who found it",
        "https://doi.org/10.1016/S0079-7421(08)60536-8",
    )
    null: ClassVar[dict[str, float]] = {}

    def acts(self, stage: int) -> bool:
        return False
