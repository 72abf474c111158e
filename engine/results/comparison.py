"""The results of runs as data frames: one row per run, one per configuration with 95% intervals over its draws.

A draw is what two runs must share for their difference to be their strategies': the seed and, where the order of the
tasks varies, the order. Runs of one configuration differ in their draws alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import pandas as pd

from engine.common.errors import ConfigError
from engine.common.numerals import written
from engine.events.scores import LOWER_IS_BETTER
from engine.experiments.experiment import Experiment, to_data
from engine.experiments.orders import without_order
from engine.results.summaries import intransigence, mean_interval, retention, stability_gap, summarize
from engine.strategies import overrides_of, parts_of

REFERENCE = "joint"
"""The strategy that others are measured against and that never wins: it sees every earlier text again."""


@cache
def trains_on_all(strategy: str) -> bool:
    """Whether a strategy trains on all tasks so far, at their whole price, and so is no rival of the others."""
    try:
        return any(len(part().plan(2).tasks) > 1 for part in parts_of(strategy))
    except ConfigError:  # of another version
        return strategy == REFERENCE


LEVELS = ("earlier_tasks", "average", "learning_accuracy")
"""Measures in the score's own unit."""
LOSSES = ("forgetting", "stability_gap", "intransigence")
"""Differences in the score's unit, above 0 where something was lost."""
GAINS = ("backward_transfer", "forward_transfer")
"""Differences in the score's unit, above 0 where something was gained."""
KEPT = "retention"
"""The share of what was learnt that was kept, 1 where nothing was lost, whatever the score."""
MEASURES = (*LEVELS, *LOSSES, *GAINS, KEPT)
COSTS = ("target_tokens", "operations", "seconds")
"""A run's price; the seconds last, which other work on the machine changes."""

Rows = list[list[float]]
"""A score matrix, stages 0 … as far as the run came × T tasks."""


@dataclass(frozen=True)
class Measured:
    """One number of one run, or why there is none."""

    value: float | None
    reason: str = ""


def sign(score: str) -> float:
    """The factor that turns the score into one where higher is better: −1 or 1."""
    return -1.0 if score in LOWER_IS_BETTER else 1.0


def with_configurations(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with a column `configuration`: the label without the order of the tasks, and the experiment's name where
    several are compared."""
    named = runs.copy()
    named["configuration"] = named["label"].map(without_order).astype(object)
    if named["experiment_id"].nunique() > 1:
        names = named["experiment"].map(_cut)
        doubled = names.map(named["experiment_id"].groupby(names).nunique()) > 1
        named["configuration"] += " · " + names.where(~doubled, names + " " + named["experiment_id"])
    return named


def _cut(name: str, length: int = 28) -> str:
    """A sentence that names several configurations must stay readable."""
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"


def matrices(matrix: pd.DataFrame, score: str) -> dict[str, Rows]:
    """Each run's score matrix from the store's long frame, up to the first stage that is not wholly scored. The column
    of a task that has no such score at all is NaN."""
    cells: dict[str, dict[int, dict[int, float]]] = {}
    for run_id, stage, task, value in zip(*(matrix[c] for c in ("run_id", "stage", "task_index", score)), strict=True):
        cells.setdefault(str(run_id), {}).setdefault(int(stage), {})[int(task)] = float(value)
    return {run_id: _whole_rows(stages) for run_id, stages in cells.items()}


def _whole_rows(stages: Mapping[int, Mapping[int, float]]) -> Rows:
    tasks = sorted({task for scored in stages.values() for task in scored})
    lacking = {task for task in tasks if all(math.isnan(row.get(task, math.nan)) for row in stages.values())}
    rows: Rows = []
    for stage in sorted(stages):
        row = [stages[stage].get(task, math.nan) for task in tasks]
        has_gap = any(math.isnan(value) and task not in lacking for task, value in zip(tasks, row, strict=True))
        if stage != len(rows) or has_gap:
            break
        rows.append(row)
    return rows


def run_frame(runs: pd.DataFrame, matrix: pd.DataFrame, curve: pd.DataFrame, score: str) -> pd.DataFrame:
    """One row per run of `runs` (with `configuration`), in its order, with every measure and its `_reason`.

    Levels are in the score's own unit; losses are above 0 where something was lost, gains where something was gained.
    `complete` says that every stage is scored; an incomplete run has no measures. `draw` is the run's seed, and where
    the order of the tasks varies among the runs (order, seed), the order as the run's scores call the tasks.
    """
    scored, orders = matrices(matrix, score), task_orders(matrix)
    dips = stability_gaps(curve, orders, score)
    complete = {run.run_id: _is_complete(scored.get(run.run_id, []), run.stages) for run in runs.itertuples()}
    joint_runs = [run for run in runs.itertuples() if run.strategy == REFERENCE and complete[run.run_id]]
    records = []
    for run in runs.itertuples():
        rows = scored.get(run.run_id, [])
        record: dict[str, Any] = {"complete": complete[run.run_id], "stages_scored": max(0, len(rows) - 1)}
        if complete[run.run_id]:
            measured = _measures(rows, score)
            joint = joint_beside(run, joint_runs)
            measured["intransigence"] = _intransigence(rows, scored[joint.run_id] if joint else None, score)
            measured["stability_gap"] = dips.get(
                run.run_id, Measured(None, "there are no scores from inside later stages")
            )
        else:
            missing = Measured(None, f"the run is {run.status}: it has not been scored after every stage")
            measured = dict.fromkeys(MEASURES, missing)
        for name, found in measured.items():
            record[name] = found.value
            record[f"{name}_reason"] = found.reason
        records.append(record)
    columns = ["complete", "stages_scored", *(f"{name}{end}" for name in MEASURES for end in ("", "_reason"))]
    measured_frame = pd.DataFrame(records, index=runs.index, columns=columns)
    measured_frame[list(MEASURES)] = measured_frame[list(MEASURES)].astype(float)
    return pd.concat([runs.assign(draw=_draws(runs, orders)), measured_frame], axis=1)


def _draws(runs: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.Series:
    seeds = [int(seed) for seed in runs["seed"]]
    if runs["task_order"].notna().any():
        found = [(tuple(orders.get(run_id, ())), seed) for run_id, seed in zip(runs["run_id"], seeds, strict=True)]
        return pd.Series(found, index=runs.index, dtype=object)
    return pd.Series(seeds, index=runs.index, dtype=object)


def joint_beside(run: Any, joint_runs: Sequence[Any]) -> Any | None:
    """The joint run that a run is measured against: of its experiment, seed and order of the tasks the one that
    overrides the same training settings, else the first; None for a joint run."""
    own_draw = (run.experiment_id, run.seed, run.task_order)
    beside = [j for j in joint_runs if (j.experiment_id, j.seed, j.task_order) == own_draw]
    if run.strategy == REFERENCE or not beside:
        return None
    own = overrides_of(run.strategy, run.parameters)
    return next((j for j in beside if overrides_of(j.strategy, j.parameters) == own), beside[0])


def task_orders(matrix: pd.DataFrame) -> dict[str, list[str]]:
    """Each run's tasks in the order of training."""
    tasks = matrix.drop_duplicates(["run_id", "task_index"]).sort_values("task_index")
    return {str(run_id): list(group["task"]) for run_id, group in tasks.groupby("run_id", sort=False)}


def stability_gaps(curve: pd.DataFrame, orders: Mapping[str, Sequence[str]], score: str) -> dict[str, Measured]:
    """Per run, how far its old tasks fell at worst *during* later stages, mean over tasks j < T, from the
    evaluations inside the stages. `orders` holds each run's tasks in training order."""
    if score not in curve:  # what is measured at the ends of stages alone
        return {}
    looks: dict[str, dict[str, list[tuple[int, float]]]] = {}
    ordered = curve.sort_values("step", kind="stable")
    for run_id, task, stage, value in zip(*(ordered[c] for c in ("run_id", "task", "stage", score)), strict=True):
        if not math.isnan(value):
            looks.setdefault(str(run_id), {}).setdefault(task, []).append((int(stage), float(value)))
    gaps: dict[str, Measured] = {}
    for run_id, of_task in looks.items():
        tasks = orders.get(run_id, ())
        falls = [_fall(of_task.get(task, []), number, score) for number, task in enumerate(tasks[:-1], start=1)]
        known = [fall for fall in falls if fall is not None]
        if known and len(known) == len(falls):
            gaps[run_id] = Measured(fmean(known))
    return gaps


def _fall(looks: Sequence[tuple[int, float]], own_stage: int, score: str) -> float | None:
    learned = [value for stage, value in looks if stage == own_stage]
    later = [value for stage, value in looks if stage > own_stage]
    return stability_gap(learned[-1], later, score in LOWER_IS_BETTER) if learned else None


def configuration_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per configuration in order of appearance: means over the complete runs with 95% bounds.

    For each of `MEASURES` and `COSTS`: `X`, `X_low`, `X_high` (NaN where undefined), `X_reason`.
    `seeds` holds the seeds that the means are over; `runs` counts all runs, `complete` those. Where the order of the
    tasks varies, a seed was run in several.
    """
    records = []
    for configuration, group in rows.groupby("configuration", sort=False):
        done = group[group["complete"].astype(bool)]
        first = group.iloc[0]
        record: dict[str, Any] = {name: first[name] for name in ("experiment_id", "experiment", "label", "strategy")}
        record |= {"configuration": configuration, "runs": len(group), "complete": len(done)}
        record["seeds"] = tuple(sorted({int(seed) for seed in done["seed"]}))
        for name in (*MEASURES, *COSTS):
            record |= _over_draws(name, group, done)
        records.append(record)
    return pd.DataFrame(records)


def pareto_front(frame: pd.DataFrame, lower: Sequence[str]) -> pd.Series:
    """True where no other row is at least as low in every column of `lower` and lower in one; False with gaps."""
    values = frame[list(lower)].astype(float)
    front = []
    for _, row in values.iterrows():
        no_worse = (values <= row).all(axis=1)
        better = (values < row).any(axis=1)
        front.append(bool(row.notna().all()) and not bool((no_worse & better).any()))
    return pd.Series(front, index=frame.index, dtype=bool)


def settings(experiment: Experiment, run: Mapping[str, Any]) -> dict[str, str]:
    """Every setting of one run by its dotted name, as text. `reference` is that of the run, where it has one."""
    data = to_data(experiment)
    flat = {"model": str(data["model"]), "tasks": " → ".join(task["name"] for task in data["tasks"])}
    flat |= {f"training.{name}": _text(value) for name, value in data["training"].items()}
    flat |= {
        f"tasks.{task.name}.{name}": _text(value)
        for task in experiment.tasks
        for name, value in task.overrides.given.items()
    }
    flat["strategy"] = str(run["strategy"])
    flat |= {f"parameters.{name}": _text(value) for name, value in dict(run["parameters"]).items()}
    if run.get("reference"):
        flat["reference"] = str(run["reference"])
    flat["seeds"] = ", ".join(str(seed) for seed in data["seeds"])
    return flat


def configuration_settings(runs: pd.DataFrame, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """Settings × configurations, each as text; "–" where a configuration has none."""
    columns: dict[str, dict[str, str]] = {}
    for configuration, group in runs.groupby("configuration", sort=False):
        first = group.iloc[0]
        columns[str(configuration)] = settings(experiments[first["experiment_id"]], first.to_dict())
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    return pd.DataFrame({c: [column.get(name, "–") for name in names] for c, column in columns.items()}, index=names)


def configuration_differences(runs: pd.DataFrame, experiments: Mapping[str, Experiment]) -> pd.DataFrame:
    """The settings of `configuration_settings` in which the configurations differ."""
    table = configuration_settings(runs, experiments)
    return table[table.nunique(axis=1) > 1]


def best_checkpoint(rows: pd.DataFrame, score: str, among: Iterable[str] | None = None) -> str | None:
    """The complete run whose final weights score best on the earlier tasks (on all, where there is one task).

    What trains on all tasks is left out unless there is nothing else; `among` limits the choice to these run ids.
    """
    done = rows[rows["complete"].astype(bool)]
    limited = done[done["run_id"].isin(list(among))] if among is not None else done
    done = limited if len(limited) else done
    others = done[~done["strategy"].map(trains_on_all).astype(bool)]
    done = others if len(others) else done
    if done.empty:
        return None
    kept = done["earlier_tasks"].fillna(done["average"]).astype(float) * sign(score)
    return str(done.loc[kept.idxmax(), "run_id"])


def _is_complete(rows: Rows, stages: int) -> bool:
    return len(rows) > 1 and len(rows) == len(rows[0]) + 1 and len(rows) > int(stages or 0)


def _measures(rows: Rows, score: str) -> dict[str, Measured]:
    found = summarize(rows, score in LOWER_IS_BETTER)
    measured = {name: Measured(getattr(found, name), found.reasons.get(name, "")) for name in _SUMMARIZED}
    for name in ("average", "learning_accuracy"):
        value = measured[name].value
        measured[name] = Measured(None if value is None else sign(score) * value, measured[name].reason)
    share = retention(found)
    measured[KEPT] = Measured(share, "" if share is not None else found.reasons["relative_forgetting"])
    earlier = [value for value in rows[-1][:-1] if not math.isnan(value)]
    why = "it takes two tasks or more" if len(rows[-1]) < 2 else "no earlier task has this score"
    measured["earlier_tasks"] = Measured(fmean(earlier)) if earlier else Measured(None, why)
    return measured


def _intransigence(rows: Rows, joint: Rows | None, score: str) -> Measured:
    value = intransigence(joint, rows, score in LOWER_IS_BETTER) if joint else None
    return Measured(value, "" if value is not None else "it is measured against a finished joint run of the same seed")


_SUMMARIZED = ("average", "learning_accuracy", "forgetting", "backward_transfer", "forward_transfer")


def _over_draws(name: str, group: pd.DataFrame, done: pd.DataFrame) -> dict[str, Any]:
    values = [float(value) for value in done.get(name, ()) if pd.notna(value)]
    reason = ""
    if not values:
        reasons = [text for text in group.get(f"{name}_reason", pd.Series(dtype=str)) if text]
        reason = reasons[0] if reasons else "no run of this configuration is finished"
        return {name: None, f"{name}_low": None, f"{name}_high": None, f"{name}_reason": reason}
    mean, low, high = mean_interval(values)
    if low is None:
        reason = "one seed only" if len(values) == 1 else "a score without a finite value"
        reason += ", so there is no interval"
    return {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_reason": reason}


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return written(value, "g" if isinstance(value, float) else "") if isinstance(value, int | float) else str(value)
