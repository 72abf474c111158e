"""What is scored beside the matrix, as plain data: the general text, and the tasks that a score does not know."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES
from engine.experiments.experiment import Experiment
from engine.results.guard_histories import guard_histories
from engine.store import Store

NO_QUESTIONS = "none of its held-out questions is answered: plain text has no expected answers"
_LOOKS = ("stage", "step", *SCORE_NAMES, "drift", "worse_by", "worse_by_half", "is_worse")


def beside_data(store: Store, run_ids: Sequence[str], experiment: Experiment) -> dict[str, dict[str, Any]]:
    """By run its general text (`general_data`), and what became of its guards."""
    general, outcomes = store.general(run_ids), store.guard_outcomes(run_ids)
    return {
        run_id: {
            "general": general_data(general[general["run_id"] == run_id], len(experiment.tasks)),
            "guards": [
                each.plain for each in guard_histories(outcomes[outcomes["run_id"] == run_id], experiment.guards)
            ],
        }
        for run_id in run_ids
    }


def general_data(general: pd.DataFrame, stages: int) -> dict[str, Any] | None:
    """One run's rows of `Store.general`: `scores` by name and `drift`, nats a token, with a value for each of the
    stages + 1 rows of the matrix, None for those not reached; `curve`, all looks as the columns of a table. None where
    no general text was scored."""
    if general.empty:
        return None
    rows = {int(stage): row for stage, row in zip(general["stage"], general.to_dict("records"), strict=True)
            if row["is_whole"]}  # fmt: skip
    by_stage = [rows.get(stage, {}) for stage in range(stages + 1)]
    return {
        "scores": {name: [row.get(name) for row in by_stage] for name in SCORE_NAMES},
        "drift": [row.get("drift") for row in by_stage],
        "curve": {name: general[name].tolist() for name in _LOOKS},
    }


def unscored(matrix: pd.DataFrame) -> dict[str, dict[str, str]]:
    """By score the tasks that have none, with the reason; from the matrices of the runs of one experiment."""
    questions = matrix.groupby("task", sort=False)["questions"].max()
    without = {str(task): NO_QUESTIONS for task in questions.index[questions == 0]}
    return {name: dict(without) for name in ANSWER_SCORES}
