"""Training on all tasks so far at once: the reference that sequential strategies try to reach."""

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.strategies.base import Needs, Plan, Strategy


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Joint(Strategy):
    """min L(task 1 ∪ … ∪ task t) from the base model, with the summed token budget of its tasks."""

    name: ClassVar[str] = "joint"
    title: ClassVar[str] = "Joint training"
    summary: ClassVar[str] = "Starts from the base model at every stage and trains on all tasks so far: the reference."
    choose_when: ClassVar[str] = (
        "As the reference, where all texts may be kept; each stage costs as much as all before."
    )
    source: ClassVar[tuple[str, str]] = ("Caruana 1997, multitask learning", "https://doi.org/10.1023/A:1007379606734")
    needs: ClassVar[Needs] = "old texts"
    null: ClassVar[str] = "It always trains on all tasks so far, from the base model."
    joins: ClassVar[bool] = False

    def plan(self, stage: int) -> Plan:
        return Plan(tuple(range(1, stage + 1)), start="base")

    def acts(self, stage: int) -> bool:
        return False  # its plan alone makes the difference
