"""A whole experiment without a page: what the command line and a notebook call."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.check import Report, check
from engine.control import Control
from engine.drive import drive
from engine.errors import ConfigError
from engine.events import Event, Waiting
from engine.execute import execute_run
from engine.experiment import Experiment, to_data
from engine.export import write_results
from engine.runner import RunnerLock
from engine.store import Store
from engine.worker import Execute

RESULTS = "results.json"
DATABASE = "palimpsest.db"

Watch = Callable[[str, Event], None]
"""Sees every event with its run's id."""


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    control: Control | None = None,
    watch: Watch | None = None,
    execute: Execute = execute_run,
    told: Callable[[Report], None] = lambda report: None,
) -> dict[str, Any]:
    """Execute all runs of an experiment, keep everything under `folder`, return what `results.json` there holds.

    With `resume`, runs that are not finished go on from the last point that they kept; a folder that holds another
    experiment is refused, and so is one that holds any without `resume`. Stopping `control` ends it after the run in
    progress has kept what it reached. `told` hears what the tasks came to before anything runs. Raises PalimpsestError
    for bad input before anything is written.
    """
    folder = folder.resolve()
    check_folder(folder, resume)
    check_input(experiment, told)
    lock = RunnerLock(folder)
    if not lock.take():
        raise ConfigError(
            f"{folder}: {lock.holder()} is working in this folder; wait for it, or choose another folder."
        )
    store = None
    try:
        store = Store(folder)
        experiment_id = _begin(store, experiment)
        return _work(store, experiment_id, control or Control(), watch, execute)
    finally:
        if store is not None:
            store.close()
        lock.release()


def check_folder(folder: Path, resume: bool) -> None:
    """Raises ConfigError where results would be mixed or overwritten."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: this is a file; give a folder for the results.")
    if not resume and any((folder / name).exists() for name in (RESULTS, DATABASE)):
        raise ConfigError(
            f"{folder}: holds results already; add --resume to go on with them, or choose another folder."
        )


def check_input(experiment: Experiment, told: Callable[[Report], None] = lambda report: None) -> None:
    """Read every task and the tokenizer once, so that bad input is refused before anything runs. Raises TaskError."""
    report = check(experiment, download=True)
    report.raise_refusal()
    told(report)


def _begin(store: Store, experiment: Experiment) -> str:
    """The experiment's id in the folder's store, with everything that is not finished in the queue."""
    store.mark_interrupted()
    kept = store.experiments()["experiment_id"].tolist()
    if not kept:
        return store.add_experiment(experiment)
    for experiment_id in kept:
        if to_data(store.experiment(experiment_id)) == to_data(experiment):
            runs = store.runs(experiment_id)
            for run_id in runs.loc[runs["status"].isin(["interrupted", "stopped", "failed"]), "run_id"]:
                store.requeue(run_id)
            return str(experiment_id)
    before, after = to_data(store.experiment(kept[0])), to_data(experiment)
    differs = ", ".join(name for name in after if before.get(name) != after[name])
    raise ConfigError(
        f"{store.folder}: holds another experiment (other {differs}); choose another folder for this one."
    )


def _work(store: Store, experiment_id: str, control: Control, watch: Watch | None, execute: Execute) -> dict[str, Any]:
    path = store.folder / RESULTS
    found = write_results(store, experiment_id, path)
    while not control.stopping:
        run_id = store.claim_next(experiment_id)
        if run_id is None:
            break
        see = _named(watch, run_id)
        drive(store, run_id, control, execute, see, tell=_waiting(see))
        found = write_results(store, experiment_id, path)
    return found


def _waiting(see: Callable[[Event], None]) -> Callable[[str], None]:
    """What keeps the store from being written goes where events go."""
    return lambda trouble: see(Waiting(trouble))


def _named(watch: Watch | None, run_id: str) -> Callable[[Event], None]:
    return lambda event: None if watch is None else watch(run_id, event)
