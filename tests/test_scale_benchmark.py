"""The benchmark of many runs: its simulated runs are whole ones, and what it says of lateness is the time between."""

import sqlite3
from pathlib import Path

import pytest

from benchmarks.scale.measure import _lateness
from benchmarks.scale.story import Story
from benchmarks.scale.watching import Onlooker
from engine import events
from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from tests.fake_runs import experiment


def test_a_simulated_run_is_a_whole_one(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None
    story = Story(steps=20, evaluate_every=5)
    drive(store, run_id, Control(), lambda e, run, folder, *rest: story.events(folder))
    run = store.runs(run_ids=run_id).iloc[0]
    assert (run["status"], run["step"], run["steps"], run["stages"]) == ("finished", 20, 20, 2)
    assert store.steps(run_id)["step"].tolist() == list(range(1, 21))
    assert len(store.losses(run_id)) == 3 * 20
    assert sum(isinstance(event, events.Evaluated) for event in story.events(tmp_path)) == 1 + 20 // 5 + 2


def test_a_step_is_late_by_the_time_until_an_onlooker_could_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "some.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE runs (run_id, step, status)")
        connection.execute("INSERT INTO runs VALUES ('a', 0, 'running')")
    onlooker, clock = Onlooker(file), [100.0]
    monkeypatch.setattr("benchmarks.scale.watching.time.time", lambda: clock[0])
    for step, now in ((2, 101.0), (4, 103.0)):
        with connection:
            connection.execute("UPDATE runs SET step = ?", (step,))
        clock[0] = now
        onlooker.look()
    connection.close()
    # steps 1 and 2 were done at 100.0 and 100.25 and sent at 100.5; 3 and 4 at 101.0 and 101.5 and sent at 102.0
    late, arrived = _lateness(
        onlooker, [("a", 1, 2, 100.0, 100.5), ("a", 3, 4, 101.0, 102.0), ("a", 5, 6, 104.0, 105.0)]
    )
    assert late == [1.0, 0.75, 2.0, 1.5]
    assert arrived == [0.5, 1.0]
    assert onlooker.events() == 4
    onlooker.close()
