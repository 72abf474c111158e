"""What strategies share that train on all tasks so far at every stage."""

from typing import ClassVar

from engine.strategies.base import Needs, Plan, Strategy


class AllTasks(Strategy):
    """min L(task 1 ∪ … ∪ task t), with the summed token budget of its tasks, from the previous stage's weights."""

    needs: ClassVar[tuple[Needs, ...]] = ("old texts",)
    joins: ClassVar[bool] = False

    def plan(self, stage: int) -> Plan:
        return Plan(tuple(range(1, stage + 1)))

    def acts(self, stage: int) -> bool:
        return False  # its plan alone makes the difference
