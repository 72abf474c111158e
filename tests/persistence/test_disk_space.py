"""Room for checkpoints: by the disk, by the operator's limit, and said before anything is trained."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors import SafetensorError

from engine import events, strategies
from engine.common import durable_files
from engine.common.durable_files import is_whole
from engine.common.errors import ConfigError, StoreError, StoreUnavailableError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.persistence import checkpoints, journal
from engine.persistence.disk_space import check_room, room
from engine.persistence.shared_results import SharedResults
from engine.store import Store
from engine.training.loop import train
from engine.training.run_state import RunSetup
from tests.builders import small_setup
from tests.fake_runs import experiment
from tests.training.test_resuming import numbers


def test_files_under_several_names_count_once(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "weights").write_bytes(b"x" * 1000)
    os.link(tmp_path / "runs" / "weights", tmp_path / "shared")
    assert room(tmp_path).used == 1000


def test_the_limit_of_the_operator_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(b"x" * 600_000)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "0.001")
    assert room(tmp_path).free == 400_000
    check_room(tmp_path, 400_000)
    with pytest.raises(StoreUnavailableError, match=r"limit of 0.001 GB .* leaves 0.00 GB"):
        check_room(tmp_path, 400_001)
    with pytest.raises(StoreError, match="Raise the limit") as raised:
        check_room(tmp_path, 1_000_001)
    assert not isinstance(raised.value, StoreUnavailableError)
    check_room(tmp_path, 200_000, runs=2)
    with pytest.raises(StoreUnavailableError, match=r"takes about 0\.00 GB, and 2 runs may write one at once"):
        check_room(tmp_path, 200_001, runs=2)
    with pytest.raises(StoreError, match="Raise the limit, or let fewer runs go at once"):
        check_room(tmp_path, 400_000, runs=3)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "much")
    with pytest.raises(ConfigError, match="'much' is not a number of gigabytes"):
        room(tmp_path)


class Disk:
    """A disk that is full when a stage begins, or when anything is written inside one, for as long as it is `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.error = errno.ENOSPC
        self.refused = 0
        monkeypatch.setattr("engine.persistence.disk_wait.RETRY_SECONDS", 0.01)
        monkeypatch.setattr(durable_files, "seal", self.refusing(durable_files.seal))
        monkeypatch.setattr(checkpoints, "seal", self.refusing(checkpoints.seal))
        monkeypatch.setattr(SharedResults, "take_files", self.refusing(SharedResults.take_files))
        monkeypatch.setattr(journal.Journal, "__init__", self.refusing(journal.Journal.__init__))

    def refusing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **options: Any) -> Any:
            if self.full:
                self.refused += 1
                raise OSError(self.error, os.strerror(self.error))
            return real(*args, **options)

        return write


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def setup_in(folder: Path) -> RunSetup:
    return replace(small_setup(strategies.build("replay+ewc", {}), folder, tasks=2), point_seconds=0.0)


def undisturbed(folder: Path) -> list[Any]:
    return numbers(list(train(setup_in(folder))))


@pytest.mark.parametrize("fills_at", [events.RunStarted, events.StageStarted, events.StepDone, events.StageFinished])
def test_a_run_waits_wherever_the_disk_is_full_and_ends_with_the_same_numbers(
    fills_at: type, disk: Disk, tmp_path: Path
) -> None:
    reasons, recorded = list[str](), list[events.Event]()
    for event in train(setup_in(tmp_path / "a")):
        recorded.append(event)
        disk.full = disk.full or (isinstance(event, fills_at) and not reasons)
        if isinstance(event, events.Waiting):
            reasons.append(event.reason)
            disk.full = False
    assert disk.refused
    assert "the disk is full; free some space. The run waits and goes on by itself" in reasons[0]
    assert reasons[1:] == [""]
    assert numbers(recorded) == undisturbed(tmp_path / "b")
    assert is_whole(tmp_path / "a" / "stage-2")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errno.EROFS, "it is read-only for this program; check its permissions and its disk"),
        (errno.EACCES, "it is read-only for this program"),
        (errno.EIO, "the disk does not answer as it should"),
    ],
)
def test_a_run_waits_for_a_disk_that_lets_nothing_be_written(
    error: int, words: str, disk: Disk, tmp_path: Path
) -> None:
    disk.error, reasons, recorded = error, list[str](), list[events.Event]()
    for event in train(setup_in(tmp_path / "a")):
        recorded.append(event)
        disk.full = disk.full or (isinstance(event, events.StepDone) and not reasons)
        if isinstance(event, events.Waiting):
            reasons.append(event.reason)
            disk.full = False
    assert words in reasons[0]
    assert numbers(recorded) == undisturbed(tmp_path / "b")


def test_a_run_that_waits_can_be_stopped_and_taken_up_again(disk: Disk, tmp_path: Path) -> None:
    setup, recorded = setup_in(tmp_path / "a"), list[events.Event]()
    for event in train(setup):
        recorded.append(event)
        disk.full = disk.full or (isinstance(event, events.StepDone) and event.step == 4)
        if isinstance(event, events.Waiting):
            setup.control.stop()
    assert isinstance(recorded[-1], events.RunStopped)
    assert recorded[-1].step == 4
    assert recorded[-1].kept_step == 3  # the point before
    disk.full = False
    again = list(train(replace(setup, control=Control())))
    assert numbers(again) == undisturbed(tmp_path / "b")


def test_a_run_that_waits_to_take_over_a_stage_trains_it_where_that_is_gone_by_then(disk: Disk, tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    list(train(replace(setup_in(tmp_path / "a"), shared=shared)))
    recorded = list[events.Event]()
    for event in train(replace(setup_in(tmp_path / "b"), shared=shared)):
        recorded.append(event)
        disk.full = disk.full or (isinstance(event, events.Evaluated) and event.stage == 0)
        if isinstance(event, events.Waiting):
            shared.clear()
            disk.full = False
    assert disk.refused
    assert not any(isinstance(event, events.StageStarted) and event.shared for event in recorded)
    assert numbers(recorded) == undisturbed(tmp_path / "c")


def test_a_full_disk_is_known_by_what_was_free_before_the_clearing_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(_: Path) -> SimpleNamespace:
        return SimpleNamespace(free=300 * 2**20 - sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()))

    def fill(partial: Path) -> None:
        (partial / "weights").write_bytes(b"")
        os.truncate(partial / "weights", 290 * 2**20)
        raise SafetensorError("Error while serializing")

    monkeypatch.setattr("engine.common.durable_files.shutil.disk_usage", free)
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        durable_files.write_folder(tmp_path / "stage-1", fill)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENAMETOOLONG, "File name too long"), RuntimeError("of the device")])
def test_another_trouble_is_not_waited_for(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised, durable_files.writing(tmp_path / "stage-1"):
        raise error
    assert not isinstance(raised.value, StoreUnavailableError)


def test_a_fisher_goes_on_without_points_while_the_disk_is_full(disk: Disk, tmp_path: Path) -> None:
    setup, recorded = replace(setup_in(tmp_path / "a"), point_seconds=0.001), list[events.Event]()
    for event in train(setup):
        recorded.append(event)
        if isinstance(event, events.Phase) and event.text.startswith("remembering"):
            disk.full = True
        if isinstance(event, events.Waiting):
            disk.full = False
    assert disk.refused >= 2  # a point in the Fisher, and the checkpoint
    assert numbers(recorded) == undisturbed(tmp_path / "b")


def test_a_run_that_waits_between_stages_can_be_stopped_too(tmp_path: Path, disk: Disk) -> None:
    def no_room() -> None:
        if (tmp_path / "a" / "stage-1").is_dir() and not setup.control.stopping:
            raise StoreUnavailableError("no room")

    setup = replace(setup_in(tmp_path / "a"), check_room=no_room)
    recorded = []
    for event in train(setup):
        recorded.append(event)
        if isinstance(event, events.Waiting):
            setup.control.stop()
    assert isinstance(recorded[-1], events.RunStopped)
    assert recorded[-1].stage == 1
    again = list(train(replace(setup, control=Control(), check_room=lambda: None, finished_stages=1)))
    assert numbers(recorded) + numbers(again) == undisturbed(tmp_path / "b")


def test_a_journal_keeps_what_a_full_disk_did_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """Takes a few bytes at a time, and nothing at every third try."""

        def __init__(self, file: Any) -> None:
            self.file, self.tries = file, 0

        def write(self, data: bytes) -> int:
            self.tries += 1
            if self.tries % 3 == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.file.write(bytes(data[:700])))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    monkeypatch.setattr(journal, "_PENDING_BYTES", 500)
    kept = journal.Journal(tmp_path / "journal.jsonl")
    kept._open = Full(kept._open)  # type: ignore[assignment]
    recorded = [events.StepDone(1, n, {"total": n / 3}, 100, 0.1, 1e-3, 1.0) for n in range(60)]
    for event in recorded:
        kept.add(event)
    while True:
        try:
            mark = kept.mark()
            break
        except OSError:
            pass
    assert list(kept.recorded_events()) == recorded
    again = journal.Journal.continued(kept.file, mark)
    assert again is not None
    again.close()
    kept.close()


def test_a_run_that_does_not_fit_says_so_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "0.05")
    store, control = Store(tmp_path / "data"), Control()
    (store.folder / "other").write_bytes(b"x" * 20_000_000)
    store.add_experiment(experiment(tmp_path, training={"device": "cpu", "block_size": 32}))
    run_id = store.claim_next()
    assert run_id is not None
    waits = list[Any]()

    def watch(event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            waits.append(store.runs(run_ids=run_id).iloc[0])
            control.stop()

    drive(store, run_id, control, watch=watch)
    assert (waits[0]["status"], waits[0]["phase"]) == ("running", "waiting for the disk")
    assert "a checkpoint with a resume point of this run takes about 0.04 GB" in waits[0]["reason"]
    row = store.runs(run_ids=run_id).iloc[0]
    assert (row["status"], row["reason"]) == ("stopped", "Stopped before its first step.")
    store.close()
