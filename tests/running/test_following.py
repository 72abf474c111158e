"""Several runs at once without a page: the same numbers, results from one thread, and an end to all of them at once."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from engine import events
from engine.cli import app
from engine.common.errors import ConfigError, StoreUnavailableError
from engine.events.control import Control
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.yaml_file import to_yaml
from engine.running import headless
from engine.running.headless import run_experiment
from engine.store import Store
from tests.fake_places import FakePlaces
from tests.fake_runs import FakeRun, experiment, wait_until

TRAINING = {
    "epochs": 1, "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 2,
    "answer_questions": 0, "device": "cpu",
}  # fmt: skip
FOUR: dict[str, Any] = {"strategies": ["naive"], "seeds": [0, 1, 2, 3]}


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def losses(folder: Path) -> list[float]:
    store = Store(folder)
    kept: list[float] = store.losses(store.runs()["run_id"].tolist())["nats_per_token"].tolist()
    store.close()
    return kept


@pytest.mark.usefixtures("one_thread")
def test_two_at_once_give_the_numbers_of_one_after_the_other_and_train_no_stage_twice(tmp_path: Path) -> None:
    described = experiment(tmp_path, training=TRAINING, strategies=["naive", "replay"], seeds=[0, 1], general="none")
    seen: list[events.Event] = []
    one = run_experiment(described, tmp_path / "one", parallel=1)
    two = run_experiment(described, tmp_path / "two", parallel=2, watch=lambda _, event: seen.append(event))
    assert [run["status"] for run in two["runs"]] == ["finished"] * 4
    for a, b in zip(one["runs"], two["runs"], strict=True):
        assert (a["label"], a["seed"], a["scores"]) == (b["label"], b["seed"], b["scores"])
        for path, other in zip(a["checkpoints"], b["checkpoints"], strict=True):
            weights = [tmp_path / out / file / "model.safetensors" for out, file in (("one", path), ("two", other))]
            assert weights[0].read_bytes() == weights[1].read_bytes()
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    begun = [event for event in seen if isinstance(event, events.StageStarted)]
    assert (
        sorted((event.stage, event.shared) for event in begun) == [(1, False)] * 2 + [(1, True)] * 2 + [(2, False)] * 4
    )
    assert {e.environment["threads"] for e in seen if isinstance(e, events.RunStarted)} == {1}


def test_results_are_written_as_runs_end_by_the_thread_that_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, real = list[tuple[int, list[str]]](), headless.write_results

    def write(store: Store, experiment_id: str, path: Path) -> dict[str, Any]:
        found = real(store, experiment_id, path)
        written.append((threading.get_ident(), [run["status"] for run in found["runs"]]))
        return found

    monkeypatch.setattr(headless, "write_results", write)
    ended: list[str] = []
    places = FakePlaces(3, FakeRun())
    found = run_experiment(experiment(tmp_path, **FOUR), tmp_path / "out", places=places, on_end=ended.append)
    assert found == json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert {thread for thread, _ in written} == {threading.get_ident()}
    assert len(written) == 5
    assert len(set(ended)) == 4
    assert places.closed


def held(run: FakeRun) -> threading.Barrier:
    """Two runs wait for each other before their second step."""
    barrier = threading.Barrier(2)

    def wait(step: int) -> None:
        if step == 2:
            barrier.wait(300)

    run.before_step = wait
    return barrier


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are still under way however late a stop comes."""
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)


@pytest.mark.usefixtures("long")
def test_a_stop_reaches_all_runs_under_way_and_leaves_the_others_in_the_queue(tmp_path: Path) -> None:
    control, execute = Control(), FakeRun(step_seconds=0.05)
    held(execute)

    def watch(run_id: str, event: events.Event) -> None:
        if isinstance(event, events.StepDone) and event.step == 3:
            control.stop()

    found = run_experiment(
        experiment(tmp_path, **FOUR), tmp_path / "out", places=FakePlaces(2, execute), control=control, watch=watch
    )
    assert [run["status"] for run in found["runs"]] == ["stopped", "stopped", "queued", "queued"]


def test_a_pause_holds_all_runs_and_begins_no_other(tmp_path: Path) -> None:
    control, reached = Control(), dict[str, int]()
    execute = FakeRun(step_seconds=0.2)
    held(execute)
    control.pause()
    done: list[dict[str, Any]] = []
    described = experiment(tmp_path, **FOUR)

    def watch(run_id: str, event: events.Event) -> None:
        if isinstance(event, events.StepDone):
            reached[run_id] = event.step
            if event.step == 2:
                control.pause()

    def follow() -> None:
        found = run_experiment(described, tmp_path / "out", places=FakePlaces(2, execute), control=control, watch=watch)
        done.append(found)

    thread = threading.Thread(target=follow)
    thread.start()
    wait_until(lambda: (tmp_path / "out/results.json").is_file())
    assert execute.started == []
    control.resume()
    wait_until(lambda: control.paused)
    assert len(execute.started) == 2
    execute.step_seconds = 0.0
    while thread.is_alive():
        control.resume()
        thread.join(timeout=0.3)
    assert [run["status"] for run in done[0]["runs"]] == ["finished"] * 4


def test_an_error_that_no_run_can_say_ends_the_others_and_goes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Store.attempt

    def attempt(self: Store, run_id: str) -> int:
        if run_id.endswith("001"):
            raise StoreUnavailableError("palimpsest.db: the disk is full; free some space.")
        return real(self, run_id)

    monkeypatch.setattr(Store, "attempt", attempt)
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        run_experiment(experiment(tmp_path, **FOUR), tmp_path / "out", places=FakePlaces(2, FakeRun(step_seconds=0.05)))
    store = Store(tmp_path / "out")
    assert store.runs()["status"].tolist()[0] in ("interrupted", "finished")
    store.close()


@pytest.mark.usefixtures("long")
def test_results_that_cannot_be_written_end_the_runs_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.running.following.CLOSE_SECONDS", 120.0)
    written, real = list[int](), headless.write_results

    def write(*arguments: Any) -> dict[str, Any]:
        written.append(1)
        if len(written) > 1:
            raise StoreUnavailableError("results.json can't be written: the disk is full; free some space.")
        return real(*arguments)

    def execute(described: Experiment, run: RunSpec, *rest: Any) -> Iterator[events.Event]:
        broken = FakeRun(0.05, fail_at=3 if run.seed == 0 else None, error=ConfigError("It is broken."))
        yield from broken(described, run, *rest)

    monkeypatch.setattr(headless, "write_results", write)
    with pytest.raises(StoreUnavailableError, match=r"results\.json can't be written"):
        run_experiment(experiment(tmp_path, **FOUR), tmp_path / "out", places=FakePlaces(2, execute))
    store = Store(tmp_path / "out")
    assert {"running", "paused"}.isdisjoint(store.runs()["status"])
    assert store.runs()["status"].tolist()[:2] == ["failed", "interrupted"]
    store.close()


def test_runs_that_no_place_can_hold_are_told_of_once_and_waited_for(tmp_path: Path) -> None:
    places = FakePlaces(2, FakeRun())
    places.refused = {"kitchen"}
    told: list[str] = []

    def watch(run_id: str, event: events.Event) -> None:
        if isinstance(event, events.Waiting) and event.reason:
            told.append(event.reason)

    def mend() -> None:
        wait_until(lambda: len(places.machines) >= 3)
        places.refused = set()

    mending = threading.Thread(target=mend)
    mending.start()
    found = run_experiment(experiment(tmp_path, **FOUR), tmp_path / "out", places=places, watch=watch)
    mending.join()
    assert told == ["No machine has the GPU that kitchen needs; add one."]
    assert [run["status"] for run in found["runs"]] == ["finished"] * 4


@pytest.fixture
def described(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(to_yaml(experiment(tmp_path, **FOUR)), encoding="utf-8")
    return path


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_command_line_runs_several_at_once_with_a_bar_for_each(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = FakeRun()
    held(execute)
    monkeypatch.setitem(headless.run_experiment.__kwdefaults__, "execute", execute)  # type: ignore[attr-defined]
    code, out, err = call("run", described, "--out", tmp_path / "out", "--parallel", 2)
    assert code == 0, err
    for number in range(4):
        last = [line for line in err.replace("\r", "\n").splitlines() if f"[{number + 1}/4] naive" in line][-1]
        assert "8/8" in last
    assert out.count("finished") == 4


def test_a_number_of_runs_that_is_none_is_refused_before_anything_is_written(described: Path, tmp_path: Path) -> None:
    code, _, err = call("run", described, "--out", tmp_path / "out", "--parallel", "many")
    assert (code, err.strip()) == (1, "parallel: 'many' is neither a number from 1 nor auto.")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError):
        run_experiment(experiment(tmp_path), tmp_path / "out", parallel=0)


@pytest.mark.usefixtures("long")
def test_control_c_stops_all_runs_and_says_how_to_go_on(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, pressed = FakeRun(step_seconds=0.05), threading.Event()

    def press(step: int) -> None:
        if step == 3 and len(execute.started) == 2 and not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)

    execute.before_step = press
    monkeypatch.setitem(headless.run_experiment.__kwdefaults__, "execute", execute)  # type: ignore[attr-defined]
    code, _, err = call("run", described, "--out", tmp_path / "out", "--parallel", 2)
    assert code == 130
    assert "--resume" in err
    runs = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert [run["status"] for run in runs] == ["stopped", "stopped", "queued", "queued"]


@pytest.mark.usefixtures("long")
def test_an_interruption_of_the_caller_interrupts_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.running.following.CLOSE_SECONDS", 120.0)

    def end(described: Experiment, run: RunSpec, folder: Path, control: Control, *rest: Any) -> Iterator[events.Event]:
        for event in FakeRun(step_seconds=0.05)(described, run, folder, control, *rest):
            yield event
            if run.seed == 1 and isinstance(event, events.StepDone) and event.step == 2:
                os.kill(os.getpid(), signal.SIGINT)  # nobody listens but Python

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            run_experiment(experiment(tmp_path, **FOUR), tmp_path / "out", places=FakePlaces(2, end))
    finally:
        signal.signal(signal.SIGINT, before)
    store = Store(tmp_path / "out")
    assert store.runs()["status"].tolist() == ["interrupted", "interrupted", "queued", "queued"]
    store.close()
