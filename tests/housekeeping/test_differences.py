"""What was changed in an experiment that was made from another one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.experiment import Experiment
from engine.experiments.origin import Origin
from engine.housekeeping.differences import differences, with_changes
from engine.store import Store
from tests.fake_runs import experiment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    yield made
    made.close()


def changed(folder: Path, before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[str]]:
    found = differences(experiment(folder, **before), experiment(folder, **after))
    return {name: list(pair) for name, pair in found.items()}


def test_another_name_and_values_that_are_the_defaults_are_no_change(tmp_path: Path) -> None:
    assert changed(tmp_path, {}, {"name": "larder"}) == {}
    assert changed(tmp_path, {"strategies": ["replay"]}, {"strategies": [{"replay": {"replay_weight": 1.0}}]}) == {}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({}, {"seeds": [0, 1]}, {"seeds": ["0", "0, 1"]}),
        ({}, {"checkpoints": "last"}, {"checkpoints": ["all", "last"]}),
        ({}, {"general": None}, {"general text": ["general", "none"]}),
        ({}, {"orders": 2}, {"orders of the tasks": ["as listed", "2"]}),
        (
            {"orders": [["tea", "bread"]]}, {"orders": [["bread", "tea"], ["tea", "bread"]]},
            {"orders of the tasks": ["tea → bread", "bread → tea; tea → bread"]},
        ),
        ({"strategies": ["naive", "joint"]}, {"strategies": ["naive"]}, {"strategies": ["naive, joint", "naive"]}),
        (
            {"strategies": [{"ewc": {"ewc_lambda": [1.0, 10.0]}}]}, {"strategies": [{"ewc": {"ewc_lambda": 100.0}}]},
            {"EWC λ of EWC": ["1, 10", "100"]},
        ),
        ({"training": {"learning_rate": 0.001}}, {"training": {"learning_rate": 0.0005}},
         {"learning rate": ["0.001", "0.0005"]}),
        ({}, {"resources": {"cpus": 3}}, {"cpus": ["none", "3"]}),
    ],
)  # fmt: skip
def test_one_change_is_said_by_what_was_and_is(
    before: dict[str, Any], after: dict[str, Any], words: dict[str, list[str]], tmp_path: Path
) -> None:
    assert changed(tmp_path, before, after) == words


def test_tasks_are_told_apart_by_name_order_settings_and_texts(tmp_path: Path) -> None:
    before = experiment(tmp_path)
    bread, tea = before.tasks

    def after(*tasks: Any) -> dict[str, list[str]]:
        return {name: list(pair) for name, pair in differences(before, of(*tasks)).items()}

    def of(*tasks: Any) -> Experiment:
        return before.model_copy(update={"tasks": tasks})

    assert after(tea, bread) == {"tasks": ["bread → tea", "tea → bread"]}
    assert after(bread) == {"tasks": ["bread → tea", "bread"]}
    assert after(bread, tea.model_copy(update={"epochs": 3})) == {"epochs of tea": ["none", "3"]}
    other = tea.model_copy(update={"split": "line"})
    assert after(bread, other) == {"texts of tea": ["as they were", "others, or read in another way"]}


@pytest.mark.parametrize(
    ("status", "kind"),
    [("failed", "edited"), ("interrupted", "edited"), ("stopped", "edited"), ("finished", "duplicated")],
)
def test_a_run_that_ended_early_is_edited_and_any_other_duplicated(
    status: str, kind: str, store: Store, tmp_path: Path
) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    run_id = store.runs(experiment_id)["run_id"].iloc[1]
    store.set_status(run_id, status)
    alone = experiment(tmp_path, strategies=[{"replay": {"replay_weight": 2.0}}])
    found = with_changes(store, Origin("duplicated", experiment_id, "kitchen", run_id), alone)
    assert found.kind == kind
    assert dict(found.changed or {}) == {"replay weight λ of Replay": ["0.5", "2"]}


def test_of_an_experiment_that_is_gone_no_change_is_known(store: Store, tmp_path: Path) -> None:
    origin = Origin("duplicated", "gone", "kitchen")
    assert with_changes(store, origin, experiment(tmp_path)) == origin
