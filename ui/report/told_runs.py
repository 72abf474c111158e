"""Which of the compared runs the report tells of: the one that lost, and the one that kept most beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.experiments.experiment import Experiment
from engine.insight.requests import ReportRequest, ReportTask, Source, Span
from engine.results.comparison import matrices, sign, trains_on_all
from engine.results.task_losses import TaskLoss, task_losses
from engine.store import Store
from figures.theme import brief_labels
from ui.compare.compared_runs import Comparison

MOST_TASKS = 3
"""Whose passages and answers are shown: those that lost most."""
_PLAIN = "text"


@dataclass(frozen=True)
class ToldRun:
    """A finished run and what became of its tasks."""

    run_id: str
    name: str
    """Its configuration, with the settings that tell it from the others of its strategy; holds the user's names."""
    losses: Sequence[TaskLoss]


@dataclass(frozen=True)
class ToldRuns:
    """What the report tells of."""

    score: str
    experiment: Experiment
    """Its tasks in the order in which these runs learnt them."""
    order_varies: bool
    """Whether other runs of it learnt the tasks in another order."""
    seed: int
    runs: tuple[ToldRun, ...]
    """The one that lost first, then the one that kept most, where there is another."""
    request: ReportRequest | None
    """Asks for the passages and answers; None where no earlier task has lost anything."""


def told_runs(store: Store, comparison: Comparison) -> ToldRuns | None:
    """Of the experiment whose run kept most: naive, or what kept least where naive is not compared or kept most itself,
    in its first finished seed; and what kept most, in the same seed and order of the tasks, so that both are scored on
    the same documents after the same stages.
    None where no run is complete."""
    chosen = _chosen(comparison)
    if not chosen:
        return None
    own = comparison.matrix["run_id"].isin([run["run_id"] for run in chosen])
    scored = matrices(comparison.matrix[own], comparison.score)
    brief = brief_labels(comparison.runs["configuration"])
    runs = tuple(
        ToldRun(run["run_id"], brief[run["configuration"]], task_losses(scored[run["run_id"]], comparison.score))
        for run in chosen
    )
    whole = comparison.experiments[chosen[0]["experiment_id"]]
    experiment = whole.in_order(chosen[0]["task_order"])
    request = _request(runs, experiment, store.run_task_facts(runs[0].run_id))
    varies = len(whole.task_orders) > 1
    return ToldRuns(comparison.score, experiment, varies, int(chosen[0]["seed"]), runs, request)


def _chosen(comparison: Comparison) -> list[dict[Any, Any]]:
    best = comparison.runs[comparison.runs["run_id"] == comparison.best_run]
    if best.empty:
        return []
    done = comparison.runs[comparison.runs["run_id"].isin(comparison.judged) & comparison.runs["complete"].astype(bool)]
    done = done[done["experiment_id"] == best["experiment_id"].item()]
    kept = best["configuration"].item()
    others = done[(done["configuration"] != kept) & ~done["strategy"].map(trains_on_all).astype(bool)]
    if others.empty:
        return [_first(done[done["configuration"] == kept])]
    lost = others[others["configuration"] == _worst(others, comparison.score)]
    most = done[done["configuration"] == kept]
    known = set(most["draw"])
    lost_too = lost[lost["draw"].map(lambda draw: draw in known).astype(bool)]
    if lost_too.empty:
        return [_first(lost)]
    first = _first(lost_too)
    return [first, _first(most[most["draw"].map(lambda draw: draw == first["draw"])])]


def _worst(others: pd.DataFrame, score: str) -> str:
    """The configuration of naive, else the one that kept least on the mean of its seeds."""
    naive = others[others["strategy"] == "naive"]
    if len(naive):
        return str(naive["configuration"].iloc[0])
    kept = others["earlier_tasks"].fillna(others["average"]).astype(float) * sign(score)
    return str(kept.groupby(others["configuration"], sort=False).mean().idxmin())


def _first(runs: pd.DataFrame) -> dict[Any, Any]:
    """The run of the first seed, of several orders in the first."""
    found: dict[Any, Any] = runs[runs["seed"] == runs["seed"].min()].to_dict("records")[0]
    return found


def _request(runs: Sequence[ToldRun], experiment: Experiment, facts: Sequence[dict[str, Any]]) -> ReportRequest | None:
    """Each task from the end of its own stage to the last, for all runs."""
    worst = sorted((each for each in runs[0].losses if each.lost > 0), key=lambda each: -each.lost)[:MOST_TASKS]
    kinds = [fact.get("kind", _PLAIN) for fact in facts]
    tasks = []
    for loss in sorted(worst, key=lambda each: each.task):
        spec = experiment.tasks[loss.task - 1]
        spans = [Span(Source(run.run_id, loss.task), Source(run.run_id, len(experiment.tasks))) for run in runs]
        has_answers = kinds[loss.task - 1 : loss.task] not in ([], [_PLAIN])
        tasks.append(ReportTask(spec.name, tuple(spans), has_answers))
    return ReportRequest(tuple(tasks)) if tasks else None
