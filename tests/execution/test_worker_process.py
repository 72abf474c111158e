"""A run in a process of its own: the same numbers, and a death that takes the run and not the server."""

import multiprocessing
import os
import subprocess
import sys
import threading
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.common.errors import ConfigError, TaskError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.execution.worker_process import Share, chosen_worker, execute_in_process
from engine.experiments.experiment import Experiment
from engine.store import Store
from tests.fake_runs import experiment, wait_until
from tests.torture.outcome import outcome

ROOT = Path(__file__).resolve().parents[2]
TRAINING = {"epochs": 1, "block_size": 32, "tokens_per_step": 64, "held_out_tokens": 200, "device": "cpu"}


def small(folder: Path, epochs: int = 1) -> Experiment:
    """With many epochs the process is still at work whenever this one gets to answer what it says."""
    return experiment(folder, training=TRAINING | {"epochs": epochs}, strategies=["replay"])


def workers() -> list[BaseProcess]:
    return [each for each in multiprocessing.active_children() if each.name.startswith("palimpsest-worker")]


def numbers(recorded: list[events.Event]) -> list[Any]:
    steps = [(e.step, e.terms, e.gradient_norm) for e in recorded if isinstance(e, events.StepDone)]
    return [*steps, *((e.step, e.sample, e.whole) for e in recorded if isinstance(e, events.Evaluated))]


def test_a_process_gives_the_numbers_of_the_thread_and_survives_a_kill(tmp_path: Path) -> None:
    store, described = Store(tmp_path / "data"), small(tmp_path, epochs=3)
    (run,) = described.runs()
    thread = list(execute_run(described, run, tmp_path / "alone", Control()))
    store.add_experiment(described)
    run_id = store.claim_next()
    assert run_id is not None
    seen: list[events.Event] = []

    def watch(event: events.Event) -> None:
        seen.append(event)
        if isinstance(event, events.StepDone) and event.step == 3:
            workers()[0].kill()

    drive(store, run_id, Control(), execute_in_process, watch)
    row = store.runs(run_ids=run_id).iloc[0]
    assert row["status"] == "failed"
    assert "was ended by SIGKILL; most likely the system ran out of memory" in row["reason"]
    assert not workers()

    store.requeue(run_id)
    assert store.claim_next() == run_id
    drive(store, run_id, Control(), execute_in_process, seen.append)
    assert store.runs(run_ids=run_id)["status"].item() == "finished"
    last = max(i for i, event in enumerate(seen) if isinstance(event, events.RunStarted))
    assert numbers(seen[last:]) == numbers(thread)
    assert outcome(store.folder)["replay, seed 0"]["steps are whole"]
    store.close()


def test_pause_stop_and_errors_reach_the_other_side(tmp_path: Path) -> None:
    described = small(tmp_path, epochs=100)
    (run,) = described.runs()
    control = Control()
    recorded: list[events.Event] = []
    for event in execute_in_process(described, run, tmp_path / "run", control):
        recorded.append(event)
        if isinstance(event, events.StepDone) and event.step == 2:
            control.pause()
            threading.Timer(0.5, control.stop).start()
    assert isinstance(recorded[-1], events.RunStopped)
    wait_until(lambda: not workers())

    (tmp_path / "bread.txt").unlink()
    with pytest.raises(TaskError, match=r"bread\.txt"):
        list(execute_in_process(described, run, tmp_path / "other", Control()))


def test_a_script_that_each_process_would_run_again_is_told_how_to_be_written(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom engine.common.errors import TrainingError\n"
        "from engine.events.control import Control\n"
        "from engine.execution.worker_process import execute_in_process\nfrom tests.fake_runs import experiment\n"
        "folder = Path(sys.argv[1])\ndescribed = experiment(folder)\n"
        "try:\n    list(execute_in_process(described, described.runs()[0], folder / 'run', Control()))\n"
        "except TrainingError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.count("does so under if __name__") == 1, done.stderr


def test_the_worker_is_chosen_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PALIMPSEST_WORKER", raising=False)
    assert chosen_worker() is execute_run
    monkeypatch.setenv("PALIMPSEST_WORKER", "process")
    assert chosen_worker() is execute_in_process
    monkeypatch.setenv("PALIMPSEST_WORKER", "cloud")
    with pytest.raises(ConfigError, match="PALIMPSEST_WORKER: 'cloud' is neither thread nor process"):
        chosen_worker()


def test_a_process_that_waits_for_the_disk_says_so_in_the_store_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, described = Store(tmp_path / "data"), small(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "1")
    in_the_way = store.folder / "in-the-way"
    with in_the_way.open("wb") as file:
        file.truncate(10**9)  # takes no room, and counts
    store.add_experiment(described)
    run_id = store.claim_next()
    assert run_id is not None
    shown: list[tuple[str, str]] = []

    def watch(event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            run = store.runs(run_ids=run_id).iloc[0]
            shown.append((run["phase"], run["reason"]))
            in_the_way.unlink(missing_ok=True)

    drive(store, run_id, Control(), partial(execute_in_process, share=Share(runs_at_once=2)), watch)
    (waits, why), (_, nothing) = shown
    assert waits == "waiting for the disk"
    assert "its limit of 1 GB (PALIMPSEST_DISK_LIMIT_GB) leaves" in why
    assert "and 2 runs may write one at once" in why
    assert nothing == ""
    assert store.runs(run_ids=run_id)["status"].item() == "finished"
    store.close()
