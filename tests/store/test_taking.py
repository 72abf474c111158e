"""Runs that are taken from one store into another."""

from pathlib import Path

import pytest
import sqlalchemy

from engine.events.control import Control
from engine.store import Store, schema
from tests.fake_runs import FakeRun, experiment


def filled(store: Store, tmp_path: Path) -> tuple[str, str]:
    """An experiment with a run that has recorded something in every table; its id and the run's."""
    experiment_id = store.add_experiment(experiment(tmp_path, guards=[{"prompt": "p", "contains": "a"}]))
    run_id = store.claim_next(experiment_id)
    assert run_id is not None
    described, (_, spec) = store.experiment(experiment_id), store.run_spec(run_id)
    store.record(run_id, *FakeRun(beside=True)(described, spec, store.run_folder(run_id), Control()))
    return experiment_id, run_id


def test_only_runs_that_were_begun_are_named_with_whether_they_recorded_anything(store: Store, tmp_path: Path) -> None:
    experiment_id, run_id = filled(store, tmp_path)
    assert store.begun_runs(experiment_id) == {0: (run_id, True)}
    second = store.claim_next(experiment_id)
    assert store.begun_runs(experiment_id) == {0: (run_id, True), 1: (second, False)}


def test_checkpoints_of_a_taken_run_are_found_in_its_own_folder(store: Store, tmp_path: Path) -> None:
    experiment_id, run_id = filled(store, tmp_path)
    other = Store(tmp_path / "other")
    other.take_experiment(store, experiment_id)
    other.take_run(store, run_id, experiment_id, "another-000")
    found = [Path(path) for path in other.stages("another-000")["checkpoint"]]
    assert found == [other.run_folder("another-000") / f"stage-{stage}" for stage in (1, 2)]
    assert other.experiment(experiment_id) == store.experiment(experiment_id)
    other.close()


@pytest.mark.parametrize("table", ["losses", "scores", "document_sums", "answers", "drift", "guard_outcomes"])
def test_a_run_is_made_the_same_until_a_row_of_any_table_differs_or_is_missing(
    table: str, store: Store, tmp_path: Path
) -> None:
    experiment_id, run_id = filled(store, tmp_path)
    other = Store(tmp_path / "other")
    other.take_experiment(store, experiment_id)
    other.take_run(store, run_id, experiment_id, "another-000")
    assert store.made_the_same(run_id, other, "another-000")
    rows = getattr(schema, table)
    with other._writing() as connection:
        first = rows.c.stage == 1
        assert connection.execute(sqlalchemy.delete(rows).where(first)).rowcount
    assert not store.made_the_same(run_id, other, "another-000")
    assert not other.made_the_same("another-000", store, run_id)
    other.close()
