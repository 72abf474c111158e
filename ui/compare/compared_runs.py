"""The data of the compare page: the chosen runs with their scores, findings and verdict, read from the store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.experiments.experiment import Experiment
from engine.experiments.orders import order_number
from engine.results.clipping_columns import with_clipping
from engine.results.comparison import best_checkpoint, configuration_frame, run_frame, with_configurations
from engine.results.fairness import Conditions, Finding, conditions_of_runs, unfair, unfair_runs
from engine.results.guard_histories import GuardHistory
from engine.results.operations import operations_of
from engine.results.verdict import Verdict, verdict
from engine.store import Store
from figures.theme import brief_labels
from ui.compare import words
from ui.compare.beside import read_guards
from ui.widgets.words import with_seed


@dataclass(frozen=True)
class Beside:
    """What was scored and checked beside the tasks."""

    general: pd.DataFrame
    """Rows of `Store.general`."""
    guards: Mapping[str, Sequence[GuardHistory]]
    """By run id."""


@dataclass(frozen=True)
class Everything:
    """All runs of the chosen experiments."""

    score: str
    experiments: dict[str, Experiment]
    runs: pd.DataFrame
    """The store's columns, `configuration`, every measure, and `reference`: the reference text as it is told from
    others."""
    matrix: pd.DataFrame
    stages: pd.DataFrame
    conditions: dict[str, Conditions]
    """The conditions that each run's scores rest on, by run id."""
    beside: Beside

    @property
    def unfair(self) -> dict[str, tuple[str, ...]]:
        """The differences from most of all these runs, chosen or not, by run id."""
        return unfair_runs(unfair(self.runs, self.conditions))


@dataclass(frozen=True)
class Comparison:
    """The chosen runs side by side."""

    score: str
    experiments: dict[str, Experiment]
    runs: pd.DataFrame
    matrix: pd.DataFrame
    table: pd.DataFrame
    """One row per configuration."""
    findings: list[Finding]
    judged: tuple[str, ...]
    """The runs that the verdict rests on."""
    verdict: Verdict
    best_run: str | None
    """The run whose final checkpoint kept most."""
    beside: Beside

    @property
    def unfair(self) -> dict[str, tuple[str, ...]]:
        return unfair_runs(self.findings)


def read(store: Store, experiment_ids: Sequence[str], score: str) -> Everything:
    """Read the runs of some experiments. Raises StoreError when one of them is gone."""
    experiments = {experiment_id: store.experiment(experiment_id) for experiment_id in experiment_ids}
    runs = with_configurations(store.runs(list(experiment_ids)))
    run_ids = list(runs["run_id"])
    matrix = store.matrix(run_ids)
    measured = run_frame(runs, matrix, store.curve(run_ids), score)
    measured = with_clipping(measured, experiments, store)
    facts, environments = store.task_facts_by_run(run_ids), store.environments(run_ids)
    stages = store.stages(run_ids)
    measured["operations"] = [
        operations_of(
            run,
            experiments[run.experiment_id].in_order(run.task_order),
            environments[run.run_id],
            stages,
            facts[run.run_id],
        )
        for run in runs.itertuples()
    ]
    references = store.reference_facts_by_run(run_ids)
    measured["reference"] = [_reference(references[run_id]) for run_id in run_ids]
    beside = Beside(store.general(run_ids), read_guards(store, runs, experiments))
    of_run = conditions_of_runs(runs, experiments, facts, environments)
    return Everything(score, experiments, measured, matrix, stages, of_run, beside)


def _reference(facts: Mapping[str, Any]) -> str:
    """A reference text by its name and what tells it from others of that name; empty where a run reads none."""
    return f"{facts['name']} ({facts['fingerprint']})" if facts else ""


def compare(every: Everything, chosen: Collection[str], judge_all: bool = False) -> Comparison:
    """Compare the chosen runs; the verdict leaves out what can't be compared fairly, unless `judge_all`."""
    runs = every.runs[every.runs["run_id"].isin(chosen)]
    findings = unfair(runs, every.conditions)
    marked = unfair_runs(findings)
    judged = runs if judge_all else runs[~runs["run_id"].isin(list(marked))]
    found = verdict(judged, every.score)
    winners = list(judged.loc[judged["configuration"] == found.winner, "run_id"])
    return Comparison(
        score=every.score,
        experiments=every.experiments,
        runs=runs,
        matrix=every.matrix[every.matrix["run_id"].isin(runs["run_id"])],
        table=configuration_frame(runs) if len(runs) else pd.DataFrame(),
        findings=findings,
        judged=tuple(judged["run_id"]),
        verdict=found,
        best_run=best_checkpoint(judged, every.score, among=winners),
        beside=every.beside,
    )


def ordered_tasks(comparison: Comparison, run: Mapping[Any, Any]) -> tuple[str, ...]:
    """The tasks of a run as its scores call them, in the order in which it trained them."""
    experiment = comparison.experiments[run["experiment_id"]].in_order(run["task_order"])
    return tuple(task.label for task in experiment.tasks)


def run_name(run: Mapping[Any, Any]) -> str:
    """The short name of a run's configuration, its order of the tasks where this varies, and its seed; holds the user's
    names."""
    number = order_number(str(run["label"]))
    order = "" if number is None else words.in_order(number)
    configuration = str(run["configuration"])
    return with_seed(brief_labels([configuration])[configuration] + order, run["seed"])
