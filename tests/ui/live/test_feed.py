"""Any number of browsers cost one reading and one drawing for every new version of the data."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import event

from engine import events
from engine.events.control import Control
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment
from ui.live import feed as feed_module
from ui.live.feed import Feed
from ui.live.growing import Growing

TASKS = ["bread", "tea"]
BROWSERS = 12


@pytest.fixture
def run(store: Store, tmp_path: Path) -> "Run":
    return Run(store, tmp_path)


@pytest.fixture
def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many statements went to the database, how many figures were drawn."""
    counts: Counter[str] = Counter()
    event.listen(store._engine, "before_cursor_execute", lambda *_: counts.update(["statements"]))
    for name in ("loss_figure", "matrix_figure"):
        draw = getattr(feed_module, name)
        monkeypatch.setattr(
            feed_module, name, lambda *a, _name=name, _draw=draw, **k: counts.update([_name]) or _draw(*a, **k)
        )
    return counts


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(feed_module, "time", made)
    return made


class Run:
    """The first run of an experiment, that says one event after the other."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.experiment_id = store.add_experiment(experiment(folder))
        self.run_id = store.claim_next() or ""
        self._store = store
        _, spec = store.run_spec(self.run_id)
        recorded = FakeRun()(store.experiment(self.experiment_id), spec, store.run_folder(self.run_id), Control(), 0)
        self._events = iter(recorded)

    def says(self, kind: type[events.Event]) -> None:
        """All up to and with the next event of that kind."""
        for recorded in self._events:
            self._store.record(self.run_id, recorded)
            if isinstance(recorded, kind):
                return


def look(feed: Feed, run: Run) -> tuple[Growing, str]:
    row = feed.runs(run.experiment_id).set_index("run_id", drop=False).loc[run.run_id]
    return feed.losses(row, TASKS, "nats_per_token"), feed.matrix(row, TASKS, "nats_per_token").figure


def look_from_all(feed: Feed, run: Run) -> list[tuple[Growing, str]]:
    together = threading.Barrier(BROWSERS)

    def browser() -> tuple[Growing, str]:
        together.wait()
        return look(feed, run)

    with ThreadPoolExecutor(BROWSERS) as pool:
        return [future.result() for future in [pool.submit(browser) for _ in range(BROWSERS)]]


def test_many_browsers_share_one_reading_and_one_drawing(store: Store, run: Run, counted: Counter[str]) -> None:
    run.says(events.StepDone)
    one, many = Feed(store), Feed(store)
    counted.clear()
    look(one, run)
    alone = dict(counted)
    counted.clear()
    pictures = look_from_all(many, run)
    assert dict(counted) == alone
    assert counted["loss_figure"] == counted["matrix_figure"] == 1
    assert len({id(losses) for losses, _ in pictures}) == 1


def test_nothing_new_is_neither_read_nor_drawn(store: Store, run: Run, counted: Counter[str], clock: Clock) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    before = look(feed, run)
    counted.clear()
    for _ in range(3):
        clock.seconds += 1
        assert look(feed, run) == before
    assert not counted


def test_a_new_point_is_read_once_for_all_and_put_after_a_figure_that_is_not_drawn_again(
    store: Store, run: Run, counted: Counter[str], clock: Clock
) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    before = look(feed, run)
    run.says(events.StepDone)
    clock.seconds += 1
    counted.clear()
    after = look_from_all(feed, run)
    assert counted["loss_figure"] == counted["matrix_figure"] == 0
    assert all(losses.drawn is before[0].drawn for losses, _ in after)
    assert {(losses.base, losses.newest, *losses.tail) for losses, _ in after} == {(before[0].base, 2, "new", "total")}
    assert {matrix for _, matrix in after} == {before[1]}


def test_scores_and_stages_have_the_figure_drawn_anew(store: Store, run: Run, clock: Clock) -> None:
    feed, seen = Feed(store), []
    for kind in (events.StepDone, events.Evaluated, events.StageFinished, events.StageStarted):
        run.says(kind)
        clock.seconds += 1
        seen.append(look(feed, run)[0].base)
    assert len(set(seen)) == 4


def test_only_losses_are_read_again_while_nothing_else_was_recorded(
    store: Store, run: Run, counted: Counter[str], clock: Clock
) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    before = feed.followed(run.run_id, 1)
    run.says(events.StepDone)
    clock.seconds += 1
    after = feed.followed(run.run_id, 1)
    assert after.matrix is before.matrix
    assert after.curve is before.curve
    assert after.stages is before.stages
    assert len(after.lines["new"]) == 2


def test_many_looks_within_half_a_second_see_the_same(store: Store, run: Run, clock: Clock) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    before = look(feed, run)
    run.says(events.StepDone)
    clock.seconds += 0.4
    assert look(feed, run) == before
    clock.seconds += 0.2
    assert look(feed, run) != before


def test_after_the_user_s_own_change_the_store_is_asked_at_once(store: Store, run: Run) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    assert feed.runs(run.experiment_id)["status"].iloc[0] == "running"
    store.set_pause(run.run_id, True)
    assert feed.runs(run.experiment_id)["status"].iloc[0] == "running"
    feed.look_again()
    assert feed.runs(run.experiment_id)["status"].iloc[0] == "paused"


def test_what_is_read_piece_by_piece_is_what_the_store_holds(store: Store, run: Run, clock: Clock) -> None:
    feed = Feed(store)
    for kind in (events.Evaluated, events.StepDone, events.StepDone, events.Evaluated, events.StageFinished):
        run.says(kind)
        clock.seconds += 1
        followed = feed.followed(run.run_id, 1)
    whole = Feed(store).followed(run.run_id, 1)
    assert followed.clipping == whole.clipping
    assert {stage: part.steps for stage, part in whole.clipping.items()} == {1: STEPS}
    assert followed.size == whole.size
    assert followed.lines["new"].steps.tolist() == whole.lines["new"].steps.tolist() == [1, 2, 3, 4]
    pd.testing.assert_frame_equal(followed.curve, whole.curve)
    pd.testing.assert_frame_equal(followed.matrix, whole.matrix)
    pd.testing.assert_frame_equal(followed.general, whole.general)


def test_a_new_attempt_starts_afresh(store: Store, run: Run) -> None:
    run.says(events.StageFinished)
    feed = Feed(store)
    assert len(feed.followed(run.run_id, 1).lines["new"]) == 4
    store.drop_after_stage(run.run_id, 0)
    assert feed.followed(run.run_id, 2).lines == {}


def test_a_stage_that_is_trained_again_replaces_what_was_known_of_it(store: Store, run: Run, clock: Clock) -> None:
    run.says(events.StageFinished)
    for _ in range(2):
        run.says(events.StepDone)
    feed = Feed(store)
    assert feed.followed(run.run_id, 2).lines["new"].steps.tolist() == [1, 2, 3, 4, 5, 6]
    store.drop_after_stage(run.run_id, 1)
    clock.seconds += 1
    assert feed.followed(run.run_id, 2).lines["new"].steps.tolist() == [1, 2, 3, 4]
    store.record(run.run_id, events.StepDone(2, 5, {"new": 9.0}, 100, 0.01, 1e-3, 1.0))
    clock.seconds += 1
    assert feed.followed(run.run_id, 2).lines["new"].values[4:].tolist() == [9.0]


def test_a_run_that_lost_its_program_shows_without_any_change_in_the_store(
    store: Store, run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.says(events.StepDone)
    feed = Feed(store)
    assert feed.runs(run.experiment_id)["status"].iloc[0] == "running"
    monkeypatch.setattr("engine.store.writing.now", lambda: 1e12)
    clock.seconds += feed_module.STALE_SECONDS
    assert feed.runs(run.experiment_id)["status"].iloc[0] == "interrupted"
