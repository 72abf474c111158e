"""Which waiting run may begin beside those that are running: none that would train a stage twice.

Runs of one seed have stages in common, and whoever comes to such a stage first trains it for all others. A run that
would begin meanwhile waits until it can take the stage over; runs behind it that share nothing go before it, unless a
user wants it next. Running runs wait for nobody, so that no queue can stand still.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from engine import strategies
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.settings_of_stage import settings_of_stages
from engine.persistence.content_keys import content_key, stage_key_parts

_NOT_OF_A_STAGE = {"name", "tasks", "reference", "general", "guards", "strategies", "seeds", "orders"}
"""The fields of an experiment that say nothing of how a stage is trained, or do so by the names of its stages."""


@dataclass(frozen=True)
class StagedRun:
    """A run by the names of its stages, of which it has `finished` so many."""

    run_id: str
    stages: tuple[str, ...]
    finished: int = 0

    @property
    def ahead(self) -> frozenset[str]:
        """The names of the stages that it has yet to finish."""
        return frozenset(self.stages[self.finished :])


def stage_names(experiment: Experiment, run: RunSpec) -> tuple[str, ...]:
    """A name for the result of each stage of a run: equal names are equal results where the files behind them are.

    It is made of what stands in the experiment, without reading a text or a model. So it may tell stages apart whose
    texts are equal by chance, which are then trained twice, and never takes different ones for the same.
    """
    experiment = experiment.in_order(run.order)
    strategy = strategies.build(run.strategy, run.parameters)
    of_strategy = strategies.overrides_of(run.strategy, run.parameters)
    settings = settings_of_stages(
        strategy, experiment.training, of_strategy, [task.overrides for task in experiment.tasks]
    )
    reference = experiment.reference.model_dump_json() if experiment.reference is not None else ""
    parts = stage_key_parts(strategy, [each.key_parts for each in settings], reference)
    trained_by = experiment.model_dump(mode="json", exclude=_NOT_OF_A_STAGE)
    tasks = [task.model_dump(mode="json") for task in experiment.tasks]
    return tuple(
        content_key(trained_by, run.seed, repr(each), tasks[:stage]) for stage, each in enumerate(parts, start=1)
    )


def trains_for(run: StagedRun, running: Iterable[StagedRun]) -> StagedRun | None:
    """The running run that has yet to finish a stage which `run` would take over from it; None where there is none.

    A paused run is not to be among `running`: nobody knows when it goes on.
    """
    ahead = run.ahead
    return next((other for other in running if not ahead.isdisjoint(other.ahead)), None)


def until_wanted(waiting: Sequence[StagedRun], running: Iterable[StagedRun], wanted: Collection[str]) -> int:
    """The number of waiting runs that may begin: those before the first that a user wants next (`wanted`, by id) and
    that must wait for a stage. What is behind it would take its place."""
    running = list(running)
    held = (n for n, run in enumerate(waiting) if run.run_id in wanted and trains_for(run, running) is not None)
    return next(held, len(waiting))


def next_run(waiting: Iterable[StagedRun], running: Iterable[StagedRun]) -> StagedRun | None:
    """The first waiting run, in the order of the queue, for which no running run trains; None where there is none."""
    running = list(running)
    return next((run for run in waiting if trains_for(run, running) is None), None)
