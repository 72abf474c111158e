"""Training on all tasks so far at once: the reference that sequential strategies try to reach."""

from dataclasses import replace
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.strategies.base import Plan
from engine.strategies.tools.all_tasks import AllTasks


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Joint(AllTasks):
    """min L(task 1 ∪ … ∪ task t) from the base model, with the summed token budget of its tasks."""

    name: ClassVar[str] = "joint"
    title: ClassVar[str] = "Joint training"
    short_title: ClassVar[str] = "Joint"
    summary: ClassVar[str] = "Starts from the base model at every stage and trains on all tasks so far: the reference."
    choose_when: ClassVar[str] = (
        "As the reference, where all texts may be kept; each stage costs as much as all before."
    )
    source: ClassVar[tuple[str, str]] = ("Caruana 1997, multitask learning", "https://doi.org/10.1023/A:1007379606734")
    null: ClassVar[str] = "It always trains on all tasks so far, from the base model."

    def plan(self, stage: int) -> Plan:
        return replace(super().plan(stage), start="base")
