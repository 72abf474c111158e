import errno
import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import events
from engine.common.errors import StoreError, StoreUnavailableError, TrainingError, WorkerLostError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.running.queue import Runner, get_runner
from engine.running.runner_lock import RunnerLock
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment, wait_until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    yield made
    for thread in threading.enumerate():
        runner = getattr(thread, "palimpsest_runner", None)
        if runner is not None and runner.store.folder == made.folder:
            runner.close()
    made.close()


def start(store: Store, execute: FakeRun) -> Runner:
    return get_runner(store.folder, execute)


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are still under way however late this test gets to look at them."""
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)


def step(store: Store, run_id: str) -> int:
    return int(store.runs(run_ids=run_id)["step"].item())


def stands_still(store: Store, run_id: str) -> bool:
    """Whether no step was taken for the time of ten."""
    before = step(store, run_id)
    time.sleep(0.5)
    return step(store, run_id) == before


def status(store: Store, run_id: str) -> str:
    return str(store.runs(run_ids=run_id)["status"].item())


def add(store: Store, tmp_path: Path, **changes: object) -> list[str]:
    experiment_id = store.add_experiment(experiment(tmp_path, **changes))
    ids: list[str] = store.runs(experiment_id)["run_id"].tolist()
    return ids


def test_queued_runs_are_executed_in_order_one_at_a_time(store: Store, tmp_path: Path) -> None:
    execute = FakeRun()
    runner = start(store, execute)
    ids = add(store, tmp_path, seeds=[0, 1])
    wait_until(lambda: all(status(store, run_id) == "finished" for run_id in ids))
    assert execute.started == [("naive", 0, 0), ("replay", 0, 0), ("naive", 1, 0), ("replay", 1, 0)]
    assert runner.watching is None


@pytest.mark.usefixtures("long")
def test_pause_resume_and_stop_take_effect_and_a_paused_run_takes_no_step(store: Store, tmp_path: Path) -> None:
    runner = start(store, FakeRun(step_seconds=0.05))
    run_id, _ = add(store, tmp_path)
    wait_until(lambda: step(store, run_id) > 2)
    runner.request(run_id, "pause")
    wait_until(lambda: status(store, run_id) == "paused")
    wait_until(lambda: stands_still(store, run_id))  # the step that was under way when it was asked may still come
    assert status(store, run_id) == "paused"
    reached = step(store, run_id)
    runner.resume(run_id)
    wait_until(lambda: step(store, run_id) > reached)
    assert status(store, run_id) == "running"
    runner.request(run_id, "pause")
    wait_until(lambda: status(store, run_id) == "paused")
    runner.request(run_id, "stop")  # a paused run stops as well
    wait_until(lambda: status(store, run_id) == "stopped")
    assert "Stopped in stage 1" in store.runs(run_ids=run_id)["reason"].item()
    assert Path(store.stages(run_id)["checkpoint"].item()).is_dir()


def test_a_failed_run_says_why_in_words_and_the_next_one_runs(store: Store, tmp_path: Path) -> None:
    ids = add(store, tmp_path)
    broken = FakeRun(fail_at=2, error=TrainingError("The loss is no longer finite; lower the learning rate."))
    sound = FakeRun()
    start(store, lambda e, run, *rest: (broken if run.strategy == "naive" else sound)(e, run, *rest))  # type: ignore[arg-type]
    wait_until(lambda: status(store, ids[1]) == "finished")
    first = store.runs(run_ids=ids[0]).iloc[0]
    assert (first["status"], first["reason"]) == ("failed", "The loss is no longer finite; lower the learning rate.")
    assert first["step"] == 1  # what was reached stays


def test_a_defect_of_ours_goes_to_the_log_and_one_sentence_to_the_user(store: Store, tmp_path: Path) -> None:
    run_id, _ = add(store, tmp_path)
    start(store, FakeRun(fail_at=3, error=ZeroDivisionError("secret detail")))
    wait_until(lambda: status(store, run_id) == "failed")
    reason = store.runs(run_ids=run_id)["reason"].item()
    assert "ZeroDivisionError" in reason
    assert "secret detail" not in reason
    assert "Traceback" in store.log_path(run_id).read_text(encoding="utf-8")


def test_running_out_of_memory_says_what_to_do(store: Store, tmp_path: Path) -> None:
    run_id, _ = add(store, tmp_path)
    start(store, FakeRun(fail_at=1, error=MemoryError()))
    wait_until(lambda: status(store, run_id) == "failed")
    assert "fewer tokens per step" in store.runs(run_ids=run_id)["reason"].item()


def test_a_stopped_run_goes_on_from_its_last_finished_stage_with_the_same_records(store: Store, tmp_path: Path) -> None:
    whole, cut = add(store, tmp_path, strategies=["naive"], seeds=[0, 1])
    stopping = FakeRun(fail_at=STEPS + 3, error=TrainingError("The plug was pulled."))
    runner = start(store, stopping)
    wait_until(lambda: status(store, cut) == "failed")
    stopping.fail_at = None
    runner.resume(whole)
    runner.resume(cut)
    wait_until(lambda: status(store, cut) == "finished")
    assert stopping.started == [("naive", 0, 0), ("naive", 1, 0), ("naive", 0, 1), ("naive", 1, 1)]
    assert store.losses(whole)["step"].tolist() == store.losses(cut)["step"].tolist()
    assert store.losses(cut)["step"].drop_duplicates().tolist() == list(range(1, 2 * STEPS + 1))
    assert store.runs(run_ids=cut)["target_tokens"].item() == 100 * 2 * STEPS
    assert store.runs(run_ids=cut)["attempt"].item() == 2


def test_a_run_whose_texts_changed_meanwhile_does_not_go_on(store: Store, tmp_path: Path) -> None:
    run_id, _ = add(store, tmp_path)
    execute = FakeRun(fail_at=STEPS + 1, error=TrainingError("The plug was pulled."))
    runner = start(store, execute)
    wait_until(lambda: status(store, run_id) == "failed")
    execute.fail_at, execute.fingerprint = None, "other"
    runner.resume(run_id)
    wait_until(lambda: "changed since this run began" in store.runs(run_ids=run_id)["reason"].item())
    assert status(store, run_id) == "failed"


def test_a_finished_run_can_not_be_resumed(store: Store, tmp_path: Path) -> None:
    run_id, other = add(store, tmp_path)
    runner = start(store, FakeRun())
    wait_until(lambda: status(store, other) == "finished")
    with pytest.raises(StoreError, match="finished"):
        runner.resume(run_id)


@pytest.mark.usefixtures("long")
def test_closing_the_program_interrupts_what_runs_and_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.running.queue.CLOSE_SECONDS", 120.0)
    run_id, waiting = add(store, tmp_path)
    runner = start(store, FakeRun(step_seconds=0.05))
    wait_until(lambda: store.runs(run_ids=run_id)["step"].item() >= 1)
    runner.close()
    assert status(store, run_id) == "interrupted"
    assert "resume" in store.runs(run_ids=run_id)["reason"].item()
    assert status(store, waiting) == "queued"


def test_sessions_caches_and_reloaded_modules_find_the_same_runner(store: Store) -> None:
    found: list[Runner] = []
    threads = [threading.Thread(target=lambda: found.append(start(store, FakeRun()))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = sys.modules.pop("engine.running.queue")
    try:
        import engine.running.queue as reloaded

        assert reloaded is not kept
        found.append(reloaded.get_runner(store.folder))  # type: ignore[arg-type]
    finally:
        sys.modules["engine.running.queue"] = kept
        sys.modules["engine"].runner = kept  # type: ignore[attr-defined]
    assert len({id(runner) for runner in found}) == 1


def test_a_runner_that_was_closed_is_replaced(store: Store, tmp_path: Path) -> None:
    start(store, FakeRun()).close()
    run_id, _ = add(store, tmp_path)
    start(store, FakeRun())
    wait_until(lambda: status(store, run_id) == "finished")


def test_a_second_process_only_watches_and_takes_over_when_the_first_dies(store: Store, tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom engine.running.queue import get_runner\n"
        "import tests.fake_runs as fake\nfake.STEPS = 100_000\n"
        "runner = get_runner(Path(sys.argv[1]), fake.FakeRun(step_seconds=0.05))\n"
        "print(runner.watching, flush=True)\ntime.sleep(600)\n"
    )
    first, second = add(store, tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", script, str(store.folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline().strip() == "None"
            execute = FakeRun()
            runner = start(store, execute)
            wait_until(lambda: f"process {other.pid}" in str(runner.watching))
            wait_until(lambda: store.runs(run_ids=first)["step"].item() >= 1)
            assert execute.started == []
            runner.request(first, "pause")  # a watcher's users reach the run all the same
            wait_until(lambda: status(store, first) == "paused")
        finally:
            other.kill()
    wait_until(lambda: runner.watching is None)
    wait_until(lambda: status(store, second) == "finished")
    assert status(store, first) == "interrupted"  # shown, not resumed on its own
    assert execute.started == [("replay", 0, 0)]
    runner.resume(first)
    wait_until(lambda: status(store, first) == "finished")


def test_the_lock_is_free_again_after_release(tmp_path: Path) -> None:
    one, two = RunnerLock(tmp_path), RunnerLock(tmp_path)
    assert one.take()
    assert not two.take()
    assert str(one.holder()).startswith("process ")
    one.release()
    assert two.take()
    two.release()


def test_a_long_silence_between_events_does_not_look_like_an_interruption(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.pulse.BEAT_SECONDS", 0.2)
    run_id, _ = add(store, tmp_path)
    execute, spoken = FakeRun(), threading.Event()
    execute.before_step = lambda step: spoken.wait(300) if step == 2 else None  # type: ignore[func-returns-value]
    start(store, execute)
    wait_until(lambda: step(store, run_id) == 1)
    beats = set()

    def beaten() -> bool:
        beats.add(store.runs(run_ids=run_id)["heartbeat_at"].item())
        return len(beats) >= 4

    wait_until(beaten)
    assert (status(store, run_id), step(store, run_id)) == ("running", 1)
    spoken.set()
    wait_until(lambda: status(store, run_id) == "finished")


@pytest.mark.usefixtures("long")
def test_a_run_that_was_given_to_somebody_else_is_left_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.events.control import Control

    monkeypatch.setattr("engine.driving.pulse.BEAT_SECONDS", 0.1)
    run_id, _ = add(store, tmp_path)
    assert store.claim_next() == run_id
    control = Control()
    driving = threading.Thread(target=drive, args=(store, run_id, control, FakeRun(step_seconds=0.05)))
    driving.start()
    wait_until(lambda: store.runs(run_ids=run_id)["step"].item() >= 1)
    store.set_status(run_id, "interrupted", "Taken for dead.")
    store.requeue(run_id)
    driving.join(timeout=120)
    assert not driving.is_alive()
    assert control.stopping


def test_no_step_of_a_fast_run_is_lost(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fake_runs.STEPS", 1000)
    run_id, _ = add(store, tmp_path)
    assert store.claim_next() == run_id
    from engine.events.control import Control

    drive(store, run_id, Control(), FakeRun())
    assert store.losses(run_id)["step"].drop_duplicates().tolist() == list(range(1, 2001))


def test_a_run_is_taken_on_only_once_what_trains_is_loaded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, loading, loaded = importlib.import_module, threading.Event(), threading.Event()

    def slow(name: str) -> object:
        loading.set()
        assert loaded.wait(120)
        return load(name)

    monkeypatch.setitem(get_runner.__globals__, "importlib", SimpleNamespace(import_module=slow))
    start(store, FakeRun())
    run_id, _ = add(store, tmp_path)
    assert loading.wait(120)
    assert status(store, run_id) == "queued"
    loaded.set()
    wait_until(lambda: status(store, run_id) == "finished")


def test_where_what_trains_cannot_be_loaded_the_run_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "engine.running.dispatch", None)
    ids = add(store, tmp_path)
    start(store, FakeRun())
    wait_until(lambda: all(status(store, run_id) == "failed" for run_id in ids))
    assert "install the requirements" in store.runs(run_ids=ids[0])["reason"].item()


def test_a_queue_that_cannot_be_worked_through_says_why_and_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = threading.Event()
    real = Store.claim

    def claim(self: Store, run_id: str) -> bool:
        if not mended.is_set():
            raise StoreUnavailableError("palimpsest.db: it can't be written; check the permissions.")
        return real(self, run_id)

    monkeypatch.setattr(Store, "claim", claim)
    runner = start(store, FakeRun())
    run_id = add(store, tmp_path)[0]
    wait_until(lambda: runner.trouble != "")
    assert "check the permissions. The queue waits and goes on by itself" in runner.trouble
    mended.set()
    wait_until(lambda: status(store, run_id) == "finished")
    wait_until(lambda: runner.trouble == "")


def test_a_folder_in_which_no_lock_can_be_had_is_told_and_tried_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[None] = []

    def refuse(*_: object, **__: object) -> None:
        tries.append(None)
        raise PermissionError(errno.EACCES, "Permission denied", str(store.folder / "runner.lock"))

    monkeypatch.setattr("engine.running.queue.CLOSE_SECONDS", 0.5)
    with monkeypatch.context() as while_read_only:
        while_read_only.setattr("engine.running.runner_lock.FileLock.acquire", refuse)
        runner = start(store, FakeRun())
        wait_until(lambda: len(tries) > 2)  # so two of them are over and told
        assert "runner.lock can't be written: it is read-only for this program" in runner.trouble
        assert (store.folder / "runner.log").read_text().count("Traceback") == 2  # once: an error and its cause
    wait_until(lambda: runner.trouble == "")
    assert runner.watching is None


def test_a_run_stops_even_while_nothing_can_be_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)
    execute = FakeRun(step_seconds=0.05)
    runner = start(store, execute)
    run_id, waiting = add(store, tmp_path)
    wait_until(lambda: store.runs(run_ids=run_id)["step"].item() >= 1)

    refusal = StoreUnavailableError("palimpsest.db: the disk is full; free some space.")

    def refuse(*_: object, **__: object) -> None:
        raise refusal

    with monkeypatch.context() as full:
        for write in ("request", "beat", "set_status", "claim"):
            full.setattr(Store, write, refuse)
        full.setattr(Store, "record_batches", lambda _, batches: [refusal] * len(batches))
        with pytest.raises(StoreUnavailableError):
            runner.request(run_id, "pause")
        with pytest.raises(StoreUnavailableError):
            runner.request(waiting, "stop")
        runner.request(run_id, "stop")
        wait_until(lambda: "The queue waits" in runner.trouble)  # for the next one: this run is over
        monkeypatch.setattr("tests.fake_runs.STEPS", STEPS)
    wait_until(lambda: status(store, waiting) == "finished")
    monkeypatch.setattr("engine.store.writing.STALE_AFTER_SECONDS", 0.0)
    assert status(store, run_id) == "interrupted"


def test_a_run_that_is_deleted_as_soon_as_it_ends_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None

    def watch(event: events.Event) -> None:
        if isinstance(event, events.RunFinished):
            assert store.log_path(run_id).is_file()
            store.delete_experiment(experiment_id)

    drive(store, run_id, Control(), FakeRun(), watch)
    assert not store.log_path(run_id).exists()
    assert not store.run_folder(run_id).exists()


def test_a_lock_whose_holder_cannot_be_noted_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    lock = RunnerLock(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(Path, "write_text", refuse)
        with pytest.raises(StoreUnavailableError, match=r"runner\.json can't be written: the disk is full"):
            lock.take()
    assert RunnerLock(tmp_path).take()


def test_a_run_whose_worker_is_lost_waits_at_its_old_place_and_says_why_until_it_has_gone_on(
    store: Store, tmp_path: Path
) -> None:
    first, second = add(store, tmp_path)
    for reason in ("The node a is gone.", "The node b is gone."):
        assert store.claim_next() == first
        drive(store, first, Control(), FakeRun(fail_at=3, error=WorkerLostError(reason)))
        assert status(store, first) == "queued"
        assert store.runs(run_ids=first)["reason"].item() == reason
    assert store.claim_next() == first
    drive(store, first, Control(), FakeRun())
    assert (status(store, first), step(store, first)) == ("finished", 2 * STEPS)
    assert store.runs(run_ids=first)["interruptions"].item() == ["The node a is gone.", "The node b is gone."]
    assert store.claim_next() == second


def test_a_lost_run_that_was_to_stop_is_stopped_and_one_that_is_lost_for_ever_fails(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = add(store, tmp_path)
    lost, control = FakeRun(fail_at=3, error=WorkerLostError("The node a is gone.")), Control()
    lost.before_step = lambda number: control.stop() if number == 3 else None
    store.claim_next()
    drive(store, first, control, lost)
    assert status(store, first) == "stopped"
    monkeypatch.setattr("engine.driving.driver.MOST_ATTEMPTS", 1)
    store.claim_next()
    drive(store, second, Control(), FakeRun(fail_at=3, error=WorkerLostError("The node a is gone.")))
    assert status(store, second) == "failed"
    assert "begun 1 times" in store.runs(run_ids=second)["reason"].item()
