"""What an experiment takes on the disk, before it starts: checkpoints, what runs share, and what resuming needs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from engine import strategies
from engine.experiments.experiment import Experiment
from engine.experiments.settings_of_stage import settings_of_stages
from engine.forecast.trained_weights import StageWeights, weights_of
from engine.persistence.content_keys import stage_key_parts
from engine.persistence.resume_points import KEPT
from engine.persistence.shared_results import LIMIT_BYTES
from engine.strategies.costs import Cost

_BYTES = 4
"""Weights, gradients and optimiser states are written in float32."""
_MOMENTS = 2
"""Those of AdamW, each as large as the weights that train."""


@dataclass(frozen=True)
class DiskUse:
    """Bytes in the data folder. Texts in tokens, tokenizers, scores and small states come on top: a few per cent of
    what a model of millions of weights takes."""

    of_runs: tuple[int, ...]
    """The checkpoints that stay of every run, in the experiment's order; what an earlier run holds already is one file
    with that and counts there."""
    most: int
    """At any time at most: while runs go on all of their checkpoints are there, resume points and states too."""

    @property
    def kept(self) -> int:
        """Once all runs have finished."""
        return sum(self.of_runs)


@dataclass(frozen=True)
class _Run:
    """A run's stages: their names among the results of the same seed, and their sizes."""

    keys: tuple[Hashable, ...]
    weights: Sequence[StageWeights]
    costs: tuple[Cost, ...]
    moments: int
    """Those that are kept with a stage."""

    @property
    def stages(self) -> dict[Hashable, int]:
        """The bytes of each stage's checkpoint."""
        return {
            key: _BYTES * (own.saved + self.moments * own.trained)
            for key, own in zip(self.keys, self.weights, strict=True)
        }

    @property
    def estimates(self) -> dict[Hashable, int]:
        """The bytes of the tensors that the ends of stages share with equal ones, as EWC its Fisher information."""
        ends = zip(self.keys[:-1], self.weights, self.costs, strict=False)
        return {
            (key, reading.shared_as): _BYTES * own.trained
            for key, own, cost in ends
            for reading in cost.readings
            if reading.shared_as is not None and reading.backward
        }

    @property
    def while_running(self) -> int:
        """The bytes of resume points, one being written, and of the states of two stages."""
        points = [(KEPT + 1) * (own.saved + _MOMENTS * own.trained) for own in self.weights]
        states = [2 * cost.tensors * own.remembered for cost, own in zip(self.costs, self.weights, strict=True)]
        return _BYTES * max(point + state for point, state in zip(points, states, strict=True))


def disk_use(experiment: Experiment, parameters: int, reference: str = "", runs_at_once: int = 1) -> DiskUse:
    """The disk that an experiment takes whose model has so many `parameters`. `reference` is the fingerprint of its
    reference text. Raises ModelError and ConfigError as `weights_of` does."""
    runs = _runs(experiment, parameters, reference)
    known = set[Hashable]()
    of_runs = [_new(_kept(run, experiment.checkpoints), known) for run in runs]
    stages = {key: size for run in runs for key, size in run.stages.items()}
    estimates = {key: size for run in runs for key, size in run.estimates.items()}
    shared = min(sum(estimates.values()), LIMIT_BYTES)  # until the last run has finished
    whole, kept = sum(stages.values()) + shared, sum(of_runs) + shared
    if experiment.checkpoints != "all":  # what no run holds goes once the last has finished, or for want of room
        at_work = runs_at_once * max(sum(run.stages.values()) for run in runs)
        whole = min(whole, kept + at_work + LIMIT_BYTES)
    return DiskUse(tuple(of_runs), whole + runs_at_once * max(run.while_running for run in runs))


def _kept(run: _Run, keep: str) -> dict[Hashable, int]:
    """The stages of a finished run whose checkpoints stay; of those that may be the best the largest."""
    stages = run.stages
    if keep == "none":
        return {}
    if keep == "all":
        return stages
    key = run.keys[-1] if keep == "last" else max(stages, key=lambda each: stages[each])
    return {key: stages[key]}


def _new(sizes: dict[Hashable, int], known: set[Hashable]) -> int:
    found = sum(size for key, size in sizes.items() if key not in known)
    known.update(sizes)
    return found


def _runs(experiment: Experiment, parameters: int, reference: str) -> list[_Run]:
    stages, found = range(1, len(experiment.tasks) + 1), list[_Run]()
    for run in experiment.runs():
        tasks = experiment.in_order(run.order).tasks
        of_tasks = [task.overrides for task in tasks]
        strategy = strategies.build(run.strategy, run.parameters)
        overrides = strategies.overrides_of(run.strategy, run.parameters)
        settings = settings_of_stages(strategy, experiment.training, overrides, of_tasks)
        parts = stage_key_parts(strategy, [each.key_parts for each in settings], reference)
        weights = weights_of(experiment.model, parameters, strategy, len(stages), run.seed)
        costs = tuple(strategy.cost(stage) for stage in stages)
        moments = _MOMENTS if experiment.training.optimizer_state == "keep" else 0
        names = tuple(task.name for task in tasks)
        keys = tuple((run.seed, names[:stage], each) for stage, each in zip(stages, parts, strict=True))
        found.append(_Run(keys, weights, costs, moments))
    return found
