"""The queue with several places: who begins when, and that each run is reached alone."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.common.errors import ConfigError, StoreUnavailableError, TrainingError, WorkerLostError
from engine.events.control import Control
from engine.experiments.experiment import Experiment, RunSpec
from engine.running.chosen_places import chosen_places
from engine.running.dispatch import Dispatcher
from engine.running.queue import Runner, get_runner
from engine.running.runner_lock import RunnerLock
from engine.store import Store
from tests.fake_places import FakePlaces
from tests.fake_runs import STEPS, FakeRun, experiment, wait_until

FOUR: dict[str, Any] = {"strategies": ["naive"], "seeds": [0, 1, 2, 3]}
"""Runs that have nothing in common."""


class Gated:
    """Fake runs that take no step beyond the one that they were let go to."""

    def __init__(self) -> None:
        self.began: list[tuple[str, int]] = []
        """Strategy and seed of every run, in order."""
        self.errors: dict[tuple[str, int], Exception] = {}
        """What is raised by a run instead of its next step."""
        self._until: dict[tuple[str, int], int] = {}
        self._moved = threading.Condition()

    def let_go(self, strategy: str, seed: int, until: int = 2 * STEPS) -> None:
        with self._moved:
            self._until[strategy, seed] = until
            self._moved.notify_all()

    def __call__(
        self, described: Experiment, run: RunSpec, folder: Path, control: Control, *rest: Any
    ) -> Iterator[events.Event]:
        key = (run.strategy, run.seed)
        self.began.append(key)
        fake = FakeRun()

        def wait(step: int) -> None:
            with self._moved:
                self._moved.wait_for(lambda: self._until.get(key, 0) >= step or control.stopping or control.paused, 300)
            if key in self.errors:
                raise self.errors.pop(key)

        fake.before_step = wait
        yield from fake(described, run, folder, control, *rest)

    def wake(self) -> None:
        with self._moved:
            self._moved.notify_all()


@pytest.fixture
def gated() -> Iterator[Gated]:
    made = Gated()
    stop = threading.Event()

    def keep_waking() -> None:  # a run that waits at its gate hears of a pause or a stop
        while not stop.wait(0.05):
            made.wake()

    waking = threading.Thread(target=keep_waking)
    waking.start()
    yield made
    stop.set()
    waking.join()


@pytest.fixture
def store(tmp_path: Path, gated: Gated) -> Iterator[Store]:
    """Its runner is closed while runs at their gates still hear of it."""
    made = Store(tmp_path / "data")
    yield made
    for thread in threading.enumerate():
        runner = getattr(thread, "palimpsest_runner", None)
        if runner is not None and runner.store.folder == made.folder:
            runner.close()
    made.close()


def start(store: Store, execute: Callable[..., Any], count: int = 2) -> tuple[Runner, FakePlaces]:
    places = FakePlaces(count, execute)
    return get_runner(store.folder, places=places), places


def add(store: Store, tmp_path: Path, **changes: object) -> list[str]:
    ids: list[str] = store.runs(store.add_experiment(experiment(tmp_path, **changes)))["run_id"].tolist()
    return ids


def statuses(store: Store, ids: list[str]) -> list[str]:
    by_id = store.runs().set_index("run_id")["status"]
    return [str(by_id[run_id]) for run_id in ids]


def trains(store: Store, run_id: str) -> bool:
    return bool(len(store.stages(run_id)))


def test_as_many_runs_go_at_once_as_there_are_places_and_in_the_order_of_the_queue(
    store: Store, gated: Gated, tmp_path: Path
) -> None:
    ids = add(store, tmp_path, **FOUR)
    _, places = start(store, gated)
    wait_until(lambda: len(gated.began) == 2)
    wait_until(lambda: statuses(store, ids) == ["running", "running", "queued", "queued"])
    gated.let_go("naive", 1)
    wait_until(lambda: statuses(store, ids) == ["running", "finished", "running", "queued"])
    for seed in (0, 2, 3):
        gated.let_go("naive", seed)
    wait_until(lambda: statuses(store, ids) == ["finished"] * 4)
    assert gated.began[2:] == [("naive", 2), ("naive", 3)]
    assert sorted(gated.began[:2]) == [("naive", 0), ("naive", 1)]
    assert places.most_taken == 2
    assert places.machines[0] is None
    assert places.machines[-1] == {"device": "cpu"}
    for run_id in ids:
        assert store.losses(run_id)["step"].drop_duplicates().tolist() == list(range(1, 2 * STEPS + 1))


def test_a_run_waits_for_the_stage_that_it_will_take_over_and_those_that_share_nothing_overtake_it(
    store: Store, gated: Gated, tmp_path: Path
) -> None:
    ids = add(store, tmp_path, strategies=["naive", "replay"], seeds=[0, 1])
    start(store, gated, count=3)
    wait_until(lambda: len(gated.began) == 2)
    assert sorted(gated.began) == [("naive", 0), ("naive", 1)]
    gated.let_go("naive", 0, until=STEPS)  # of stage 1, not of stage 2
    wait_until(lambda: len(gated.began) == 3)
    assert gated.began[2] == ("replay", 0)
    assert statuses(store, ids) == ["running", "running", "running", "queued"]
    for strategy, seed in (("naive", 0), ("replay", 0), ("naive", 1), ("replay", 1)):
        gated.let_go(strategy, seed)
    wait_until(lambda: statuses(store, ids) == ["finished"] * 4)


def test_none_overtakes_a_run_that_is_wanted_next_while_it_waits_for_a_stage(store: Store, tmp_path: Path) -> None:
    naive, replay, other, _ = add(store, tmp_path, strategies=["naive", "replay"], seeds=[0, 1])
    dispatcher = Dispatcher(store, FakePlaces(3, FakeRun()))

    def claimed() -> str | None:
        run = dispatcher.claim()
        return run and run.run_id

    assert claimed() == naive
    store.run_next(replay)
    assert claimed() is None, "naive trains its first stage, and the other seed would take the place"
    assert dispatcher.has_waiting
    store.set_status(naive, "paused")
    assert claimed() == replay
    assert claimed() == other, "it is wanted no more"


def test_a_paused_run_keeps_nobody_waiting_and_neither_does_one_that_ended_early(
    store: Store, gated: Gated, tmp_path: Path
) -> None:
    ids = add(store, tmp_path, strategies=["naive", "replay", "ewc"])
    runner, _ = start(store, gated)
    wait_until(lambda: trains(store, ids[0]))
    runner.request(ids[0], "pause")
    wait_until(lambda: statuses(store, ids) == ["paused", "running", "queued"])
    runner.request(ids[0], "stop")
    wait_until(lambda: statuses(store, ids) == ["stopped", "running", "queued"])
    wait_until(lambda: trains(store, ids[1]))
    runner.request(ids[1], "stop")
    gated.let_go("ewc", 0)
    wait_until(lambda: statuses(store, ids) == ["stopped", "stopped", "finished"])


def test_a_request_reaches_its_run_alone_even_while_nothing_can_be_written(
    store: Store, gated: Gated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(store, tmp_path, **FOUR)[:3]
    runner, _ = start(store, gated, count=3)
    wait_until(lambda: all(trains(store, run_id) for run_id in ids))
    runner.request(ids[1], "stop")
    wait_until(lambda: statuses(store, ids) == ["running", "stopped", "running"])

    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailableError("palimpsest.db: the disk is full; free some space.")

    with monkeypatch.context() as full:
        full.setattr(Store, "request", refuse)
        with pytest.raises(StoreUnavailableError):
            runner.request(ids[1], "stop")  # it is not under way any more
        runner.request(ids[2], "stop")
    wait_until(lambda: statuses(store, ids) == ["running", "stopped", "stopped"])


@pytest.mark.parametrize("error", [TrainingError("Its loss is no longer finite."), ZeroDivisionError("a defect")])
def test_a_crash_takes_its_run_alone_and_frees_the_place(
    store: Store, gated: Gated, tmp_path: Path, error: Exception
) -> None:
    ids = add(store, tmp_path, **FOUR)
    start(store, gated)
    wait_until(lambda: all(trains(store, run_id) for run_id in ids[:2]))
    gated.errors["naive", 0] = error
    gated.let_go("naive", 0)
    wait_until(lambda: statuses(store, ids) == ["failed", "running", "running", "queued"])
    for seed in (1, 2, 3):
        gated.let_go("naive", seed)
    wait_until(lambda: statuses(store, ids) == ["failed", "finished", "finished", "finished"])


def test_a_run_that_could_not_even_be_driven_leaves_the_queue_at_work_and_the_reason_in_the_log(
    store: Store, gated: Gated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, real = add(store, tmp_path, **FOUR), Store.attempt

    def attempt(self: Store, run_id: str) -> int:
        if run_id == ids[0]:
            raise StoreUnavailableError("palimpsest.db: the disk is full; free some space.")
        return real(self, run_id)

    monkeypatch.setattr(Store, "attempt", attempt)
    for seed in (1, 2, 3):
        gated.let_go("naive", seed)
    _, places = start(store, gated)
    wait_until(lambda: statuses(store, ids)[1:] == ["finished"] * 3)
    assert "the disk is full" in (store.folder / "runner.log").read_text()
    assert places.count == 2


def test_closing_interrupts_all_runs_and_gives_the_places_up(
    store: Store, gated: Gated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.running.queue.CLOSE_SECONDS", 120.0)
    ids = add(store, tmp_path, **FOUR)
    runner, places = start(store, gated, count=3)
    wait_until(lambda: all(trains(store, run_id) for run_id in ids[:3]))
    runner.close()
    assert statuses(store, ids) == ["interrupted", "interrupted", "interrupted", "queued"]
    assert places.closed
    lock = RunnerLock(store.folder)
    assert lock.take()
    lock.release()


def test_a_second_runner_of_the_folder_only_watches(store: Store, gated: Gated, tmp_path: Path) -> None:
    start(store, gated)
    other = Store(store.folder)
    places = FakePlaces(2, gated)
    watcher = Runner(other, places=places).start()
    ids = add(store, tmp_path, **FOUR)
    wait_until(lambda: statuses(store, ids)[:2] == ["running", "running"])
    assert watcher.watching is not None
    assert places.machines == []
    watcher.close()
    other.close()


def test_a_run_that_no_place_can_hold_waits_and_says_why_while_others_go_before_it(
    store: Store, gated: Gated, tmp_path: Path
) -> None:
    large, small = add(store, tmp_path, name="large", **FOUR), add(store, tmp_path, name="small", strategies=["naive"])
    places = FakePlaces(2, gated)
    places.refused = {"large"}
    runner = get_runner(store.folder, places=places)
    gated.let_go("naive", 0)
    wait_until(lambda: statuses(store, small) == ["finished"])
    assert statuses(store, large) == ["queued"] * 4
    assert runner.trouble == "No machine has the GPU that large needs; add one."
    places.refused = set()
    wait_until(lambda: statuses(store, large)[:2] == ["finished", "running"])
    wait_until(lambda: runner.trouble == "")


def test_a_run_whose_worker_is_lost_goes_on_from_its_last_stage_in_another_place(
    store: Store, gated: Gated, tmp_path: Path
) -> None:
    ids = add(store, tmp_path, **FOUR)[:2]
    start(store, gated)
    gated.let_go("naive", 0, until=STEPS)
    wait_until(lambda: len(store.stages(ids[0])) == 2)
    gated.errors["naive", 0] = WorkerLostError("The node a is gone.")
    gated.let_go("naive", 0)
    wait_until(lambda: statuses(store, ids) == ["finished", "running"])
    found = store.runs(run_ids=ids[0]).iloc[0]
    assert (found["attempt"], found["interruptions"]) == (2, ["The node a is gone."])
    assert gated.began.count(("naive", 0)) == 2


def test_a_run_whose_experiment_cannot_be_read_fails_and_holds_nobody_back(
    store: Store, gated: Gated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = add(store, tmp_path, strategies=["naive"]), add(store, tmp_path, strategies=["naive"])
    broken_id, real = store.run_spec(broken[0])[0], Store.experiment

    def read(self: Store, experiment_id: str) -> Experiment:
        if experiment_id == broken_id:
            raise ConfigError("experiment 'kitchen': training.colour: there is no such field.")
        return real(self, experiment_id)

    monkeypatch.setattr(Store, "experiment", read)
    gated.let_go("naive", 0)
    start(store, gated)
    wait_until(lambda: statuses(store, [*broken, *sound]) == ["failed", "finished"])
    assert "there is no such field" in store.runs(run_ids=broken)["reason"].item()


def test_a_run_that_was_taken_for_dead_is_not_begun_beside_itself(
    store: Store, gated: Gated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.pulse.BEAT_SECONDS", 1.0)
    (run_id,) = add(store, tmp_path, strategies=["naive"])
    runner, places = start(store, gated)
    wait_until(lambda: trains(store, run_id))
    store.set_status(run_id, "interrupted", "Taken for dead.")
    store.requeue(run_id)
    runner.wake()
    wait_until(lambda: len(gated.began) == 2)  # once the first attempt has ended
    gated.let_go("naive", 0)
    wait_until(lambda: statuses(store, [run_id]) == ["finished"])
    assert places.most_taken == 1


def test_runs_that_wait_for_the_store_say_so_each(store: Store, gated: Gated, tmp_path: Path) -> None:
    runner, _ = start(store, gated)
    runner._tell("a", "The disk is full.")
    runner._tell("b", "The disk is full.")
    assert runner.trouble == "The disk is full."
    runner._tell("a", "")
    assert runner.trouble == "The disk is full."
    runner._tell("b", "")
    assert runner.trouble == ""


def test_other_places_than_there_are_end_the_run_in_a_sentence(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_ON", "the moon")
    with pytest.raises(ConfigError, match="PALIMPSEST_ON: there are no places named 'the moon'; set one of: here"):
        chosen_places(tmp_path)
    ids = add(store, tmp_path, strategies=["naive"])
    get_runner(store.folder, FakeRun())
    wait_until(lambda: statuses(store, ids) == ["failed"])
    assert "there are no places named 'the moon'" in store.runs(run_ids=ids)["reason"].item()
    monkeypatch.delenv("PALIMPSEST_ON")
    store.requeue(ids[0])
    wait_until(lambda: statuses(store, ids) == ["finished"])  # as soon as it is mended
