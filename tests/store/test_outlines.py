from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from engine.store import Store, outlines
from engine.store.outlines import VISIT_ENDS_AFTER_SECONDS
from engine.store.schema import experiments, runs
from tests.fake_runs import experiment


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by its only element."""
    at = [1000.0]
    monkeypatch.setattr(outlines, "now", lambda: at[0])
    return at


def test_runs_stand_under_the_newest_experiment_first_with_what_is_done_of_them(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, name="older"))
    newer = store.add_experiment(experiment(tmp_path, name="newer"))
    first, second = store.runs(newer)["run_id"]
    store.set_status(first, "failed", "The loss is no longer a finite number.")
    with store._writing() as connection:
        connection.execute(update(runs).where(runs.c.run_id == second).values(step=30, steps=120))
    found = store.run_outlines()
    assert [each.experiment for each in found] == ["newer", "newer", "older", "older"]
    assert [(each.status, each.is_going) for each in found[:2]] == [("failed", False), ("queued", True)]
    assert (found[0].reason, found[1].share) == ("The loss is no longer a finite number.", 0.25)
    assert found[0].ended_at is not None
    assert found[1].ended_at is None
    assert store.run_outlines([newer]) == found[:2]


def test_what_is_in_the_bin_or_put_away_has_no_outline(store: Store, tmp_path: Path) -> None:
    one, other = (store.add_experiment(experiment(tmp_path, name=name)) for name in "ab")
    thrown, left = store.runs(one)["run_id"]
    with store._writing() as connection:
        connection.execute(update(runs).where(runs.c.run_id == thrown).values(deleted_at=1.0))
        connection.execute(update(experiments).where(experiments.c.experiment_id == other).values(archived_at=1.0))
    assert [each.run_id for each in store.run_outlines()] == [left]


def test_states_are_those_of_what_goes_on_and_of_what_is_asked_for(store: Store, tmp_path: Path) -> None:
    first, second = store.runs(store.add_experiment(experiment(tmp_path)))["run_id"]
    store.set_status(first, "failed", "No.")
    assert store.states() == {second: "queued"}
    assert store.states([first, "gone"]) == {first: "failed", second: "queued"}


def test_a_visit_lasts_until_nothing_was_done_for_a_while(store: Store, clock: list[float]) -> None:
    assert store.last_visit("ada") is None
    clock[0] += 120
    assert store.last_visit("ada") is None  # still the first
    clock[0] += VISIT_ENDS_AFTER_SECONDS + 1
    assert store.last_visit("ada") == 1120.0
    clock[0] += 120
    assert store.last_visit("ada") == 1120.0  # the visit before this one, however often the page is drawn
    assert store.last_visit("grace") is None
