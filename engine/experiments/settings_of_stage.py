"""How often a stage reads each of its tasks, and at which learning rate: the settings that a task and a strategy may
override."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from engine.common.overrides import Overrides
from engine.experiments.experiment import Experiment
from engine.experiments.training import Training
from engine.strategies import overrides_of, rate_factor_of
from engine.strategies.base import Strategy

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class StageSettings:
    """The settings that a stage is trained with, a value for each of its tasks in the order of its plan."""

    epochs: tuple[int, ...]
    learning_rates: tuple[float, ...]

    @property
    def key_parts(self) -> Hashable:
        """The part of a stage's key that these settings determine; one value where all tasks agree."""
        return tuple(values[:1] if len(set(values)) == 1 else values for values in (self.epochs, self.learning_rates))

    def peak_rate(self, rows: Sequence[int]) -> float:
        """The peak of the learning rate of a step that takes so many `rows` of each task: the mean of the tasks' rates
        over the rows, and exactly the rate where all of these tasks have the same."""
        pairs = [(count, rate) for count, rate in zip(rows, self.learning_rates, strict=True) if count]
        if len({rate for _, rate in pairs}) == 1:
            return pairs[0][1]
        return sum(count * rate for count, rate in pairs) / sum(count for count, _ in pairs)


def settings_of_stage(
    training: Training, of_strategy: Overrides, of_tasks: Sequence[Overrides], rate_factor: float = 1.0
) -> StageSettings:
    """The settings of a stage that trains on the tasks that set `of_tasks`. A task's value goes before the strategy's,
    and that before the experiment's `training`, its learning rate times the strategy's `rate_factor`."""
    rate = training.learning_rate * rate_factor
    return StageSettings(
        tuple(_first(task.epochs, of_strategy.epochs, training.epochs) for task in of_tasks),
        tuple(_first(task.learning_rate, of_strategy.learning_rate, rate) for task in of_tasks),
    )


def settings_of_stages(
    strategy: Strategy, training: Training, of_strategy: Overrides, of_tasks: Sequence[Overrides]
) -> tuple[StageSettings, ...]:
    """The settings of every stage of a run over the tasks that set `of_tasks`."""
    plans = [strategy.plan(stage).tasks for stage in range(1, len(of_tasks) + 1)]
    factor = strategy.rate_factor
    return tuple(
        settings_of_stage(training, of_strategy, [of_tasks[task - 1] for task in plan], factor) for plan in plans
    )


def settings_of_run(experiment: Experiment, strategy: str, parameters: dict[str, Any]) -> StageSettings:
    """The epochs and the learning rate of every task of an experiment, in its order, in a run of the strategy."""
    of_tasks, factor = [task.overrides for task in experiment.tasks], rate_factor_of(strategy)
    return settings_of_stage(experiment.training, overrides_of(strategy, parameters), of_tasks, factor)


def _first(of_task: _Number | None, of_strategy: _Number | None, of_experiment: _Number) -> _Number:
    """The value that goes before the others."""
    if of_task is not None:
        return of_task
    return of_experiment if of_strategy is None else of_strategy
