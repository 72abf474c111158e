"""Runs of one experiment read one text: what changed on disk, or is read otherwise by a newer version, is refused."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.experiments.experiment import experiment_from
from engine.store import Store
from engine.tasks.load import load_task
from engine.tasks.spec import TaskSpec
from tests.fake_runs import STEPS, FakeRun, experiment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data")
    yield store
    store.close()


def driven(store: Store, execute: FakeRun, until: int | None = None) -> tuple[str, str]:
    """Claim the next run and drive it, as far as step `until`; its id and why it ended."""
    run_id, control = store.claim_next(), Control()
    assert run_id is not None
    execute.before_step = lambda step: control.stop() if step == until else None
    drive(store, run_id, control, execute)
    return run_id, store.runs(run_ids=run_id)["reason"].item()


@pytest.mark.parametrize("side", ["fingerprint", "held_out_fingerprint"])
def test_a_run_does_not_go_on_with_other_texts_on_either_side(side: str, store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    execute = FakeRun()
    run_id, _ = driven(store, execute, until=STEPS + 2)
    setattr(execute, side, "other")
    store.requeue(run_id)
    _, reason = driven(store, execute)
    assert "of task 'bread' changed since this run began" in reason
    assert ("held-out" in reason) == (side == "held_out_fingerprint")
    assert store.runs(run_ids=run_id)["status"].item() == "failed"
    setattr(execute, side, "same")
    store.requeue(run_id)
    assert driven(store, execute)[1] == ""
    assert store.runs(run_ids=run_id)["status"].item() == "finished"


def test_a_run_does_not_begin_on_other_texts_than_those_its_experiment_was_trained_on(
    store: Store, tmp_path: Path
) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    execute = FakeRun()
    driven(store, execute)
    execute.fingerprint = "other"
    second, reason = driven(store, execute)
    assert "is not what the experiment's other runs read" in reason
    assert store.curve(second).empty
    assert store.runs(experiment_id)["status"].tolist() == ["finished", "failed"]


def test_texts_may_be_mended_as_long_as_no_stage_was_trained_on_them(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    execute = FakeRun()
    first, _ = driven(store, execute, until=2)
    execute.fingerprint = "other"
    driven(store, execute)
    store.requeue(first)
    driven(store, execute)
    assert store.runs(experiment_id)["status"].tolist() == ["finished", "finished"]


def test_a_table_that_an_older_version_read_by_other_columns_is_not_mixed_into_its_run(tmp_path: Path) -> None:
    lines = [f"What is {n}?,It is {n} in line {n}.,number {n}" for n in range(20)]
    table = tmp_path / "a.csv"
    table.write_text("\n".join(["question,context,answer", *lines]), encoding="utf-8")
    spec = TaskSpec(name="a", train=(str(table),))
    before = spec.model_copy(update={"prompt_column": ("question",), "completion_column": "answer"})
    assert load_task(before).train_fingerprint != load_task(spec).train_fingerprint
    store = Store(tmp_path / "data")
    store.add_experiment(experiment_from({"name": "x", "tasks": [{"name": "a", "train": str(table)},
        {"name": "b", "train": str(table), "text_column": "answer"}], "strategies": ["naive"]}))  # fmt: skip
    execute = FakeRun()
    execute.fingerprint = load_task(before).train_fingerprint
    run_id, _ = driven(store, execute, until=STEPS + 2)
    store.close()
    connection = sqlite3.connect(tmp_path / "data" / "palimpsest.db")
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    store = Store(tmp_path / "data")
    store.requeue(run_id)
    execute.fingerprint = load_task(spec).train_fingerprint
    assert "this version reads them in another way" in driven(store, execute)[1]
    store.close()
