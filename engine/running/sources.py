"""Results folders that are only read: their databases are opened as copies, since opening one may change it."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from engine.common.durable_files import writing
from engine.common.errors import ConfigError, StoreError, StoreUnavailableError
from engine.experiments.experiment import Experiment, to_data
from engine.running.results_folder import DATABASE
from engine.running.runner_lock import RunnerLock
from engine.store import Store

_TRIES = 5
"""Copies of a database that are tried while something else writes it."""


@contextmanager
def opened_copy(folder: Path, aside: Path) -> Iterator[Store]:
    """The records of a folder of results, copied to the new folder `aside`, while no run is executed in the first.
    Raises ConfigError, StoreError."""
    if not (folder / DATABASE).is_file():
        raise ConfigError(f"{folder}: this is no folder of results; name one that `run` was given with --out.")
    lock = RunnerLock(folder)
    if not lock.hold_off():
        raise StoreUnavailableError(
            f"{folder}: another process is working in this folder; wait for its run to end, and try again then."
        )
    try:
        with writing(aside):
            _copy_records(folder, aside)
        with closing(_store_of(folder, aside)) as store:
            yield store
    finally:
        lock.release()


def _store_of(folder: Path, aside: Path) -> Store:
    """The copy of a folder's records. Raises StoreError."""
    try:
        return Store(aside)
    except StoreError as error:  # it names the copy, which nobody knows
        raise type(error)(str(error).replace(str(aside.resolve()), str(folder))) from error


def _copy_records(folder: Path, aside: Path) -> None:
    """Copy a database with the changes beside it that it has not taken up. Raises OSError, StoreUnavailableError."""
    for _ in range(_TRIES):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        before = _stamps(folder)
        for name in before:
            shutil.copyfile(folder / name, aside / name)
        if _stamps(folder) == before:
            return
    raise StoreUnavailableError(f"{folder / DATABASE}: another program is writing it; try again once that has ended.")


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of the files of a database."""
    files = [folder / name for name in (DATABASE, f"{DATABASE}-wal")]
    return {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()}


def records_bytes(folder: Path) -> int:
    """The bytes of a folder's database."""
    return sum(size for size, _ in _stamps(folder).values())


def without_places(experiment: Experiment, joined_as_before: bool = False) -> dict[str, Any]:
    """An experiment's configuration with the names of its files and its model, without the folders that they lie in:
    on another machine they may lie elsewhere. What was read of them is compared by its content."""
    data = to_data(experiment.model_copy(update={"checkpoints": "all"}))  # which stay makes no other experiment
    if joined_as_before:
        data["tasks"] = [{"joined_as_before": True} | task for task in data["tasks"]]
    for text in (*data["tasks"], data.get("reference"), data["general"]):
        if isinstance(text, dict):
            text |= {side: [Path(name).name for name in text.get(side, ())] for side in ("train", "test")}
    if Path(data["model"]).is_absolute():
        data["model"] = Path(data["model"]).name
    return data
