"""What a driver of many runs asks of the store: one transaction for all of them, and the rows that each alone would
get."""

import math
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from engine import events
from engine.common.errors import StoreUnavailableError
from engine.events.control import Control
from engine.store import Store, schema
from engine.store.progress import Batch
from tests.fake_runs import FakeRun, experiment


def claimed(store: Store, folder: Path, seeds: int = 2) -> list[str]:
    """The ids of runs under way, two for each seed."""
    store.add_experiment(experiment(folder, seeds=list(range(seeds))))
    return list(iter(store.claim_next, None))


def said(store: Store, run_id: str) -> list[events.Event]:
    experiment_id, spec = store.run_spec(run_id)
    return list(FakeRun(beside=True)(store.experiment(experiment_id), spec, store.run_folder(run_id), Control(), 0))


def step(number: int, tokens: int = 100, seconds: float = 0.5) -> events.StepDone:
    return events.StepDone(1, number, {"new": 1.0 / number, "total": 1.0}, tokens, seconds, 1e-3, 1.0)


def rows(store: Store) -> dict[str, list[Any]]:
    """All that the store holds."""
    with store._reading() as connection:
        return {
            table.name: connection.execute(sqlalchemy.select(table).order_by(*table.primary_key)).all()
            for table in (schema.runs, *schema.OF_STAGES)
        }


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, so that equal rows are equal."""
    monkeypatch.setattr(schema.time, "time", lambda: 1e9)


def cut(pieces: list[events.Event], seed: int) -> Iterator[list[events.Event]]:
    """A run's events in batches of any size."""
    sizes = random.Random(seed)
    while pieces:
        size = sizes.choice((1, 2, 3, 7))
        yield pieces[:size]
        pieces = pieces[size:]


@pytest.mark.usefixtures("still")
def test_batches_of_several_runs_leave_the_rows_that_each_event_alone_leaves(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.writing.secrets.token_hex", lambda size: "a1b2c3d4")
    monkeypatch.setattr("engine.store.recording._OLD_SHARE", 0.0)  # how steps are cut into batches is in this mean
    other = Store(tmp_path / "other")
    run_ids = claimed(store, tmp_path)
    assert claimed(other, tmp_path) == run_ids
    batches = [list(cut(said(store, run_id), number)) for number, run_id in enumerate(run_ids)]
    for turn in range(max(map(len, batches))):
        together = [
            Batch(run_id, own[turn], turn + 1.0, turn)
            for run_id, own in zip(run_ids, batches, strict=True)
            if turn < len(own)
        ]
        assert store.record_batches(together) == [None] * len(together)
    for number, run_id in enumerate(run_ids):
        for turn, batch in enumerate(cut(said(other, run_id), number)):
            for event in batch:
                other.record(run_id, event, seconds_per_step=turn + 1.0, steps_measured=turn)
    found, expected = rows(store), rows(other)
    for name in found:
        for row, wanted in zip(found[name], expected[name], strict=True):
            values, theirs = dict(row._mapping), dict(wanted._mapping)
            assert values.pop("tokens_per_second", 1) == pytest.approx(theirs.pop("tokens_per_second", 1))
            assert values == theirs
    other.close()


def test_tokens_per_second_are_a_running_mean_over_batches(store: Store, tmp_path: Path) -> None:
    run_id = claimed(store, tmp_path)[0]

    def rate() -> Any:
        return store.runs(run_ids=run_id)["tokens_per_second"].item()

    store.record(run_id, step(1, 0, 0.0))
    assert rate() is None or math.isnan(rate())
    store.record(run_id, step(1, 100, 0.5), step(2, 200, 0.5))
    assert rate() == 300.0
    store.record(run_id, step(3, 100, 1.0))
    assert rate() == pytest.approx(0.8 * 300 + 0.2 * 100)
    store.record(run_id, step(4, 100, 0.0))  # no time that a rate could be taken of
    assert rate() == pytest.approx(0.8 * 300 + 0.2 * 100)
    store.record(run_id, step(5, 0, 1.0))
    assert rate() == 0.0
    assert store.runs(run_ids=run_id)[["step", "target_tokens", "seconds"]].values.tolist() == [[5, 500, 3.0]]


def test_a_pace_without_its_number_of_steps_was_measured_over_all_so_far(store: Store, tmp_path: Path) -> None:
    run_id = claimed(store, tmp_path)[0]

    def measured() -> list[Any]:
        with store._reading() as connection:
            own = sqlalchemy.select(schema.runs.c.seconds_per_step, schema.runs.c.steps_measured)
            return list(connection.execute(own.where(schema.runs.c.run_id == run_id)).one())

    store.record(run_id, step(1), step(2), seconds_per_step=0.25)
    assert measured() == [0.25, 2]
    store.record(run_id, step(3))
    assert measured() == [0.25, 2]
    store.record(run_id, step(4), seconds_per_step=0.5, steps_measured=1)
    assert measured() == [0.5, 1]


def test_a_run_that_was_deleted_keeps_no_other_from_being_written(store: Store, tmp_path: Path) -> None:
    first, *others = claimed(store, tmp_path)
    with store._writing() as connection:
        connection.execute(sqlalchemy.delete(schema.runs).where(schema.runs.c.run_id == first))
    batches = [Batch(run_id, [step(1), events.StageStarted(1, "tea", 1, 4, 400)]) for run_id in (first, *others)]
    refused, *written = store.record_batches(batches)
    assert isinstance(refused, sqlalchemy.exc.IntegrityError)
    assert written == [None] * len(others)
    assert store.steps([first, *others])["run_id"].tolist() == others
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        store.record(first, step(2))


def test_while_the_store_is_held_every_batch_is_refused_and_none_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCKED_SECONDS", 0.05)
    store = Store(tmp_path / "data")
    run_ids = claimed(store, tmp_path)
    other = sqlite3.connect(tmp_path / "data" / "palimpsest.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    errors = store.record_batches([Batch(run_id, [step(1)]) for run_id in run_ids])
    assert [type(error) for error in errors] == [StoreUnavailableError] * len(run_ids)
    other.execute("ROLLBACK")
    other.close()
    assert store.steps(run_ids).empty
    store.close()


def test_a_beat_for_many_says_which_of_them_were_taken_away(store: Store, tmp_path: Path) -> None:
    mine, ended, requeued, again, deleted = claimed(store, tmp_path, 3)[:5]
    store.record(ended, events.RunFinished(1.0))
    store.set_status(requeued, "queued")
    store.set_status(again, "interrupted")
    store.requeue(again)
    with store._writing() as connection:
        own = schema.runs.c.run_id == again
        connection.execute(sqlalchemy.update(schema.runs).where(own).values(attempt=2, status="running"))
        connection.execute(sqlalchemy.delete(schema.runs).where(schema.runs.c.run_id == deleted))
        connection.execute(sqlalchemy.update(schema.runs).values(heartbeat_at=1.0))
    lost = store.beat([(run_id, 1) for run_id in (mine, ended, requeued, again, deleted)])
    assert lost == {(requeued, 1), (again, 1), (deleted, 1)}
    beats = {row.run_id: row.heartbeat_at for row in rows(store)["runs"]}
    assert beats[mine] > 1.0
    assert beats[ended] == beats[requeued] == beats[again] == 1.0
    assert store.beat([(mine, 1)]) == set()
    assert store.beat([]) == set()


def test_a_request_is_taken_once_and_only_by_who_drives_the_run(store: Store, tmp_path: Path) -> None:
    first, second, third, _ = claimed(store, tmp_path)
    store.request(first, "pause")
    store.request(second, "stop")
    assert store.take_requests([third]) == {}
    assert store.take_requests([first, third]) == {first: "pause"}
    assert store.take_requests([first, second, third]) == {second: "stop"}
    assert store.take_requests([first, second, third]) == {}


def test_the_model_is_that_of_the_first_run_that_says_which(store: Store, tmp_path: Path) -> None:
    first, second, third, _ = claimed(store, tmp_path)
    experiment_id = store.experiments()["experiment_id"].item()
    assert store.model_facts(experiment_id) == {}
    for run_id, facts in ((third, {"model_revision": "r3", "model_hash": "h3"}), (second, {"model_hash": "h2"})):
        store.record(run_id, events.RunStarted(4, 2, 0, facts, ()))
    store.record(first, events.RunStarted(4, 2, 0, {"model_revision": "", "device": "cpu"}, ()))
    assert store.model_facts(experiment_id) == {"model_hash": "h2", "model_revision": "r3"}
