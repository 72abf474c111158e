"""A run in an order of its own is a run of an experiment with its tasks in that order, to the same numbers."""

from pathlib import Path
from typing import Any

from engine import events
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment, RunSpec, experiment_from, to_data
from tests.fake_runs import experiment

TRAINING = {
    "epochs": 1, "stage_tokens": 100, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "held_out_tokens": 50, "device": "cpu",
}  # fmt: skip
REPLAY = {"replay": {"replay_weight": 0.5}}
ORDERS = [["bread", "tea", "soup"], ["bread", "soup", "tea"]]


def three_tasks(folder: Path, **changes: Any) -> Experiment:
    data = to_data(experiment(folder, strategies=[REPLAY], general="none", training=TRAINING))
    path = folder / "soup.txt"
    path.write_text("\n\n".join(f"Soup {n}: {n} carrots and a leek." for n in range(20)), encoding="utf-8")
    return experiment_from(data | {"tasks": [*data["tasks"], {"name": "soup", "train": [str(path)]}]} | changes)


def happened(made: Experiment, run: RunSpec, folder: Path, shared: Path | None) -> list[events.Event]:
    return list(execute_run(made, run, folder, Control(), shared_folder=shared))


def scores(found: list[events.Event]) -> list[Any]:
    return [(event.stage, event.whole) for event in found if isinstance(event, events.Evaluated) and event.whole]


def test_orders_train_as_experiments_of_their_own_and_share_the_stages_of_equal_beginnings(tmp_path: Path) -> None:
    varied, shared = three_tasks(tmp_path, orders=ORDERS), tmp_path / "shared"
    first, second = (
        happened(varied, run, tmp_path / f"run {number}", shared) for number, run in enumerate(varied.runs())
    )
    begun = [event for event in second if isinstance(event, events.StageStarted)]
    assert [event.task for event in begun] == ["bread", "soup", "tea"]
    assert [event.shared for event in begun] == [True, False, False]
    assert not any(event.shared for event in first if isinstance(event, events.StageStarted))
    data = to_data(three_tasks(tmp_path))
    tasks = [next(task for task in data["tasks"] if task["name"] == name) for name in ORDERS[1]]
    alone = experiment_from(data | {"tasks": tasks})
    by_itself = happened(alone, alone.runs()[0], tmp_path / "alone", None)
    assert scores(second) == scores(by_itself)
    assert scores(second) != scores(first)
