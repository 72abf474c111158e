"""A whole experiment without a page: what the command line and a notebook call."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.cards.writing import write_cards
from engine.common.errors import ConfigError
from engine.events import Event, Waiting
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.execution.worker_process import Execute
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from engine.results.export import write_results
from engine.running.driver import drive
from engine.running.experiment_check import Report, check
from engine.running.results_folder import RESULTS, begin, check_folder, opened
from engine.store import Store
from engine.store.schema import SHARED

Watch = Callable[[str, Event], None]
"""Sees every event with its run's id."""


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    only: int | None = None,
    control: Control | None = None,
    watch: Watch | None = None,
    execute: Execute = execute_run,
    on_report: Callable[[Report], None] = lambda report: None,
) -> dict[str, Any]:
    """Execute all runs of an experiment, keep everything under `folder`, return what `results.json` there holds.

    With `resume`, runs that are not finished go on from the last point that they kept; a folder that holds another
    experiment is refused, and so is one that holds any without `resume`; one that failed before it trained anything
    makes way. With `only`, the run of that number alone is executed, counted from 1 in the order of
    `experiment.runs()`: a new folder then holds that run of the experiment and no other. Stopping `control` ends it
    after the run in progress has kept what it reached. `on_report` gets what the tasks came to before anything runs.
    Raises PalimpsestError for bad input, and then leaves `folder` as it was.
    """
    number = None if only is None else _numbered(experiment, only)
    folder = folder.resolve()
    check_folder(folder, resume, experiment)
    with TemporaryDirectory(prefix="palimpsest-") as aside:
        tokens = SharedResults(Path(aside), elsewhere=folder / SHARED)  # where it has results already
        check_input(experiment, on_report, tokens)
        with opened(folder) as (lock, store):
            experiment_id = begin(store, experiment, resume, number)
        SharedResults(store.shared_folder).adopt(tokens)
    try:
        return _work(store, experiment_id, number, control or Control(), watch, execute)
    finally:
        store.close()
        lock.release()


def check_input(
    experiment: Experiment,
    on_report: Callable[[Report], None] = lambda report: None,
    tokens: SharedResults | None = None,
) -> None:
    """Look at the model and read every task, so that bad input is refused before anything runs; `tokens` keeps what
    was read. Raises TaskError."""
    report = check(experiment, tokens, download=True)
    report.raise_refusal()
    on_report(report)


def _numbered(experiment: Experiment, only: int) -> int:
    """The number from 0 of a run that is counted from 1. Raises ConfigError where there is none."""
    runs = len(experiment.runs())
    if not 1 <= only <= runs:
        raise ConfigError(
            f"only: there is no run {only}; the runs of this experiment are counted from 1 to {runs}, in the order in "
            "which the progress bar shows them."
        )
    return only - 1


def _work(
    store: Store, experiment_id: str, only: int | None, control: Control, watch: Watch | None, execute: Execute
) -> dict[str, Any]:
    path = store.folder / RESULTS
    found = write_results(store, experiment_id, path)
    for run_id in store.runs(experiment_id)["run_id"]:  # of runs whose process was killed
        write_cards(store, run_id, missing_only=True)
    while not control.stopping:
        run_id = store.claim_next(experiment_id, only)
        if run_id is None:
            break
        see = _named(watch, run_id)
        drive(store, run_id, control, execute, see, tell=_waiting(see))
        write_cards(store, run_id)
        found = write_results(store, experiment_id, path)
    return found


def _waiting(see: Callable[[Event], None]) -> Callable[[str], None]:
    """Pass on, where events go, the reason that keeps the store from being written."""
    return lambda trouble: see(Waiting(trouble))


def _named(watch: Watch | None, run_id: str) -> Callable[[Event], None]:
    return lambda event: None if watch is None else watch(run_id, event)
