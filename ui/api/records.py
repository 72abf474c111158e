"""What a store has recorded, as plain data: the answers for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES
from figures.lines import Line, thin
from ui.api.plain_data import column_of, columns_of, row_of, value_of
from ui.api.sources import Sources, Values
from ui.live.feed import ENDED

_RUN = (
    "run_id", "experiment_id", "label", "strategy", "parameters", "seed", "status", "reason", "phase", "stage",
    "stages", "step", "steps", "target_tokens", "seconds", "tokens_per_second", "seconds_left", "position", "attempt",
    "queued_at", "started_at", "finished_at",
)  # fmt: skip
_STAGE = ("stage", "task", "first_step", "last_step", "steps", "finished", "seconds", "target_tokens")


def experiments(sources: Sources, _: Values) -> dict[str, Any]:
    """All experiments, the newest first."""
    return {"experiments": [_experiment(row) for row in sources.store.experiment_rows()]}


def experiment(sources: Sources, values: Values) -> dict[str, Any]:
    """One experiment, with what it compares."""
    row = sources.experiment_row(values["experiment_id"])
    found = sources.store.experiment(row["experiment_id"])
    strategies = [{"name": spec.name, "parameters": dict(spec.parameters)} for spec in found.strategies]
    return _experiment(row) | {
        "strategies": strategies,
        "seeds": list(found.seeds),
        "training": asdict(found.training),
    }


def runs(sources: Sources, values: Values) -> dict[str, Any]:
    """The runs of an experiment, in their order."""
    found = sources.runs(values["experiment_id"])
    tasks = sources.experiment_row(values["experiment_id"])["tasks"]
    return {"experiment_id": values["experiment_id"], "runs": [_run(row, tasks) for row in found.to_dict("records")]}


def run(sources: Sources, values: Values) -> dict[str, Any]:
    """How far one run is."""
    row = sources.run(values["run_id"])
    return _run(row, sources.experiment_row(row["experiment_id"])["tasks"])


def points(sources: Sources, values: Values) -> dict[str, Any]:
    """The losses, held-out scores and stages of a run."""
    row = sources.state(values["run_id"])
    followed, after = sources.followed(row), values["after"]
    tasks = [task.name for task in followed.experiment.tasks]
    newer = followed.curve[followed.curve["step"] >= after]
    general = followed.general[followed.general["step"] >= after]
    return {
        "run_id": row["run_id"],
        "attempt": int(row["attempt"]),
        "status": row["status"],
        "after": after,
        "newest_step": max((int(line.steps[-1]) for line in followed.lines.values() if len(line)), default=0),
        "losses": {term: _line(line.after(after), values["most"]) for term, line in followed.lines.items()},
        "held_out": {task: _scores(newer[newer["task"] == task]) for task in tasks},
        "general_text": _scores(general) | {"kl_from_base": column_of(general["drift"].tolist())},
        "stages": [row_of(stage, _STAGE) for stage in followed.stages.to_dict("records")],
    }


def matrix(sources: Sources, values: Values) -> dict[str, Any]:
    """The score matrix of a run: a table of stages by tasks for every score."""
    row = sources.state(values["run_id"])
    followed = sources.followed(row)
    tasks = [task.name for task in followed.experiment.tasks]
    cells = followed.matrix.set_index(["stage", "task"])
    whole = followed.general[followed.general["is_whole"].astype(bool)].set_index("stage")
    stages = range(len(tasks) + 1)
    tables = {
        name: [[_cell(cells, (stage, task), name) for task in tasks] for stage in stages]
        for name in (*SCORE_NAMES, *ANSWER_SCORES)
    }
    general = {name: [_cell(whole, stage, name) for stage in stages] for name in SCORE_NAMES}
    return {
        "run_id": row["run_id"], "attempt": int(row["attempt"]), "status": row["status"], "tasks": tasks,
        "has_ended": row["status"] in ENDED, "scores": tables, "general_text": general,
    }  # fmt: skip


def _experiment(row: dict[str, Any]) -> dict[str, Any]:
    created = pd.Timestamp(row["created_at"], unit="s", tz="UTC")
    return row | {"tasks": list(row["tasks"]), "created_at": value_of(created)}


def _run(row: Any, tasks: Sequence[str]) -> dict[str, Any]:
    """A run of an experiment with these tasks."""
    found = row_of(row, [name for name in _RUN if name != "parameters"])
    share = 1.0 if row["status"] == "finished" else min(1.0, row["step"] / row["steps"]) if row["steps"] else 0.0
    order = list(row["task_order"] or tasks)
    return found | {"parameters": dict(row["parameters"]), "order": order, "progress": share}


def _line(line: Line, most: int) -> dict[str, Any]:
    steps, values = thin(line.steps, line.values, most)
    stages = line.stages[np.searchsorted(line.steps, steps)]
    return {
        "stages": stages.tolist(), "steps": steps.tolist(), "nats_per_token": column_of(values.tolist()),
        "is_thinned": len(steps) < len(line),
    }  # fmt: skip


def _scores(curve: pd.DataFrame) -> dict[str, Any]:
    return {"stages": curve["stage"].tolist(), "steps": curve["step"].tolist()} | columns_of(curve, SCORE_NAMES)


def _cell(cells: pd.DataFrame, place: Any, name: str) -> Any:
    return value_of(cells.at[place, name]) if place in cells.index else None
