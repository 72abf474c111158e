"""Many runs of one process: one pulse writes for all of them, and none loses or holds what is another's."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from engine import events
from engine.common.errors import StoreUnavailableError
from engine.driving import pulse
from engine.driving.driver import drive
from engine.driving.recorder import Recorder
from engine.events.control import Control
from engine.store import Store, schema
from engine.store.progress import Batch
from engine.store.writing import effective_status
from tests.fake_runs import STEPS, FakeRun, experiment, wait_until

ALL = list(range(1, 2 * STEPS + 1))


def claimed(store: Store, folder: Path, runs: int) -> list[str]:
    store.add_experiment(experiment(folder, strategies=["naive"], seeds=list(range(runs))))
    return list(iter(store.claim_next, None))


def driven(store: Store, run_id: str, execute: Any, control: Control | None = None, **options: Any) -> threading.Thread:
    thread = threading.Thread(target=drive, args=(store, run_id, control or Control(), execute), kwargs=options)
    thread.start()
    return thread


def steps(store: Store, run_id: str) -> list[int]:
    found: list[int] = store.steps(run_id)["step"].tolist()
    return found


def status(store: Store, run_id: str) -> str:
    return str(store.runs(run_ids=run_id)["status"].item())


def pulses() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("palimpsest-pulse")]


class Held(FakeRun):
    """A run that waits before `held_at` until it is let go."""

    def __init__(self, held_at: int = 3) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.before_step = lambda step: self.go_on.wait(120) if step == held_at else None  # type: ignore[func-returns-value]


def test_many_runs_have_one_pulse_and_all_their_steps_and_it_ends_with_the_last(store: Store, tmp_path: Path) -> None:
    run_ids = claimed(store, tmp_path, 8)
    runs = [Held() for _ in run_ids]
    threads = [driven(store, run_id, run) for run_id, run in zip(run_ids, runs, strict=True)]
    wait_until(lambda: all(steps(store, run_id) for run_id in run_ids))  # written though no event that is none follows
    assert len(pulses()) == 1
    for run in runs:
        run.go_on.set()
    for thread in threads:
        thread.join(120)
    assert [status(store, run_id) for run_id in run_ids] == ["finished"] * 8
    assert all(steps(store, run_id) == ALL for run_id in run_ids)
    assert pulses() == []
    assert pulse._pulses == {}


def test_whatever_is_no_step_is_in_the_store_before_the_run_goes_on_and_steps_before_it(
    store: Store, tmp_path: Path
) -> None:
    first, second = claimed(store, tmp_path, 2)
    seen: list[type] = []

    def looking(*arguments: Any) -> Iterator[events.Event]:
        done: list[int] = []
        for event in FakeRun()(*arguments):
            yield event
            if isinstance(event, events.StepDone):
                done.append(event.step)
                continue
            seen.append(type(event))
            assert steps(store, first) == done
            if isinstance(event, events.StageFinished):
                assert store.finished_stages(first) == event.stage
            elif isinstance(event, events.StageStarted):
                assert store.stages(first)["stage"].max() == event.stage
            elif isinstance(event, events.Evaluated) and event.whole:
                assert store.matrix(first)["stage"].max() == event.stage
        assert status(store, first) == "finished"

    beside = Held()
    other = driven(store, second, beside)
    drive(store, first, Control(), looking)
    beside.go_on.set()
    other.join(120)
    assert status(store, first) == "finished"
    assert seen.count(events.StageFinished) == 2


def test_what_runs_ask_for_while_others_are_written_is_one_transaction(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "POLL_SECONDS", 1000.0)
    run_ids, real, sizes = claimed(store, tmp_path, 5), Store.record_batches, list[int]()
    at_work, go_on = threading.Event(), threading.Event()

    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        sizes.append(len(batches))
        if len(sizes) == 1:
            at_work.set()
            assert go_on.wait(120)
        return real(store, batches)

    def say(run_id: str) -> None:
        recorder = pulse.join(store, run_id, Control(), lambda trouble: None)
        recorder.add(events.Phase("busy"))
        said.wait(120)
        pulse.leave(store, recorder)

    monkeypatch.setattr(Store, "record_batches", record)
    said = threading.Event()
    threads = [threading.Thread(target=say, args=(run_id,)) for run_id in run_ids]
    threads[0].start()
    assert at_work.wait(120)
    for thread in threads[1:]:
        thread.start()
    [beating] = pulse._pulses.values()
    wait_until(lambda: {each.run_id for each, _ in list(beating._asking)} >= set(run_ids[1:]))
    go_on.set()
    wait_until(lambda: (store.runs(run_ids=run_ids)["phase"] == "busy").all())
    said.set()
    for thread in threads:
        thread.join(120)
    assert sizes == [1, 4]


def test_events_beyond_a_full_transaction_go_into_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "MOST_TOGETHER", 2)
    run_ids = claimed(store, tmp_path, 4)
    threads = [driven(store, run_id, FakeRun(step_seconds=0.001)) for run_id in run_ids]
    for thread in threads:
        thread.join(120)
    assert all(steps(store, run_id) == ALL for run_id in run_ids)


def test_a_run_that_is_deleted_ends_and_the_others_lose_nothing(store: Store, tmp_path: Path) -> None:
    first, second, third = claimed(store, tmp_path, 3)
    runs = {run_id: Held() for run_id in (first, second, third)}
    threads = [driven(store, run_id, run) for run_id, run in runs.items()]
    wait_until(lambda: all(steps(store, run_id) for run_id in runs))
    with store._writing() as connection:
        connection.execute(sqlalchemy.delete(schema.runs).where(schema.runs.c.run_id == second))
    for run in runs.values():
        run.go_on.set()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    assert store.runs()["run_id"].tolist() == [first, third]
    assert store.runs()["status"].tolist() == ["finished"] * 2
    assert steps(store, first) == steps(store, third) == ALL


def test_a_failure_that_the_pulse_met_ends_the_run_at_its_next_step(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = claimed(store, tmp_path, 2)
    real = Store.record_batches

    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        errors = real(store, batches)
        of_steps = (each.run_id == first and isinstance(each.events[-1], events.StepDone) for each in batches)
        return [ZeroDivisionError("of ours") if bad else error for bad, error in zip(of_steps, errors, strict=True)]

    monkeypatch.setattr(Store, "record_batches", record)
    monkeypatch.setattr("tests.fake_runs.STEPS", 10_000)
    broken, control = FakeRun(step_seconds=0.01), Control()
    other = driven(store, second, FakeRun(step_seconds=0.01), control)
    drive(store, first, Control(), broken)
    assert status(store, first) == "failed"
    assert "ZeroDivisionError" in store.runs(run_ids=first)["reason"].item()
    assert "of ours" in store.log_path(first).read_text(encoding="utf-8")
    control.stop()
    other.join(120)
    assert status(store, second) == "stopped"


def test_every_run_waits_for_the_store_by_itself_and_none_loses_an_event(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.recorder.RETRY_SECONDS", 0.02)
    monkeypatch.setattr(pulse, "POLL_SECONDS", 0.02)
    run_ids, real, full = claimed(store, tmp_path, 3), Store.record_batches, threading.Event()

    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        if full.is_set():
            return [StoreUnavailableError("palimpsest.db: the disk is full; free some space.")] * len(batches)
        return real(store, batches)

    monkeypatch.setattr(Store, "record_batches", record)
    told: dict[str, list[str]] = {run_id: [] for run_id in run_ids}
    runs = {run_id: Held() for run_id in run_ids}
    threads = [driven(store, run_id, runs[run_id], tell=told[run_id].append) for run_id in run_ids]
    wait_until(lambda: all(steps(store, run_id) for run_id in run_ids))
    full.set()
    for run in runs.values():
        run.go_on.set()
    wait_until(lambda: all(told.values()))
    full.clear()
    for thread in threads:
        thread.join(120)
    for run_id in run_ids:
        assert [bool(trouble) for trouble in told[run_id]] == [True, False]
        assert steps(store, run_id) == ALL
        assert status(store, run_id) == "finished"


def test_a_request_reaches_its_run_alone(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)
    run_ids = claimed(store, tmp_path, 3)
    controls = [Control() for _ in run_ids]
    threads = [
        driven(store, run_id, FakeRun(step_seconds=0.02), control)
        for run_id, control in zip(run_ids, controls, strict=True)
    ]
    wait_until(lambda: all(steps(store, run_id) for run_id in run_ids))
    store.request(run_ids[0], "pause")
    store.request(run_ids[1], "stop")
    wait_until(lambda: status(store, run_ids[0]) == "paused")
    threads[1].join(120)
    assert [status(store, run_id) for run_id in run_ids] == ["paused", "stopped", "running"]
    for control in controls:
        control.stop()
    for thread in threads:
        thread.join(120)


def test_a_run_that_was_given_to_somebody_else_is_written_no_more_and_those_beside_it_are(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)
    lost, kept = claimed(store, tmp_path, 2)
    controls = Control(), Control()
    first = driven(store, lost, FakeRun(step_seconds=0.02), controls[0])
    second = driven(store, kept, FakeRun(step_seconds=0.02), controls[1])
    wait_until(lambda: steps(store, lost) and steps(store, kept))
    store.set_status(lost, "interrupted", "Taken for dead.")
    with store._writing() as connection:  # a page of a process that does not know of the pulse
        requeued = sqlalchemy.update(schema.runs).where(schema.runs.c.run_id == lost)
        connection.execute(requeued.values(status="queued", reason="Again."))
    first.join(120)
    assert not first.is_alive()
    assert controls[0].stopping
    assert status(store, lost) == "queued"
    assert not controls[1].stopping
    reached = len(steps(store, kept))
    wait_until(lambda: len(steps(store, kept)) > reached)
    controls[1].stop()
    second.join(120)


def test_a_process_says_that_it_drives_a_run_for_as_long_as_it_does(store: Store, tmp_path: Path) -> None:
    first, second = claimed(store, tmp_path, 2)
    one, two = Held(), Held()
    threads = [driven(store, first, one), driven(store, second, two)]
    wait_until(lambda: steps(store, first) and steps(store, second))
    assert effective_status(first, "running", None) == effective_status(second, "running", None) == "running"
    assert effective_status("another", "running", None) == "interrupted"
    one.go_on.set()
    threads[0].join(120)
    assert effective_status(first, "running", None) == "interrupted"
    assert effective_status(second, "running", None) == "running"
    two.go_on.set()
    threads[1].join(120)
    assert effective_status(second, "running", None) == "interrupted"


def test_a_run_that_somebody_else_has_is_not_driven_here(store: Store, tmp_path: Path) -> None:
    [run_id] = claimed(store, tmp_path, 1)
    recorder = pulse.join(store, run_id, Control(), lambda trouble: None)
    assert effective_status(run_id, "running", None) == "running"
    recorder.lost = True
    assert effective_status(run_id, "running", None) == "interrupted"
    pulse.leave(store, recorder)


def test_what_could_not_be_written_waits_before_what_came_since(store: Store, tmp_path: Path) -> None:
    [run_id] = claimed(store, tmp_path, 1)
    recorder = Recorder(store, run_id, 1, Control(), lambda trouble: None, lambda recorder: None)
    steps = [events.StepDone(1, number, {}, 100, 0.01, 1e-3, 1.0) for number in range(1, 6)]
    for step in steps[:3]:
        recorder.add(step)
    batch = recorder.take()
    recorder.add(steps[3])
    recorder.settle(batch, StoreUnavailableError("palimpsest.db: the disk is full; free some space."))
    recorder.add(steps[4])
    assert recorder.take().events == steps


def test_a_store_that_raises_what_nobody_thought_of_holds_no_run_for_ever(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_ids = claimed(store, tmp_path, 2)
    real = Store.record_batches

    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        if any(isinstance(event, events.StageStarted) for batch in batches for event in batch.events):
            raise RuntimeError("a defect")
        return real(store, batches)

    monkeypatch.setattr(Store, "record_batches", record)
    threads = [driven(store, run_id, FakeRun()) for run_id in run_ids]
    for thread in threads:
        thread.join(120)
    assert [status(store, run_id) for run_id in run_ids] == ["failed", "failed"]


def test_a_failure_that_every_beat_meets_is_logged_once_and_the_run_ends_as_it_would(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run_id,) = claimed(store, tmp_path, 1)
    met = []

    def broken(_: Any, runs: Sequence[Recorder]) -> None:
        met.append(len(runs))
        raise RuntimeError("no request can be read")

    monkeypatch.setattr(pulse._Pulse, "_obey", broken)
    held = Held()
    thread = driven(store, run_id, held)
    wait_until(lambda: len(met) >= 3)
    held.go_on.set()
    thread.join(120)
    assert status(store, run_id) == "finished"
    assert store.log_path(run_id).read_text(encoding="utf-8").count("\nRuntimeError: no request can be read") == 1
