"""A whole experiment without a page: what the command line and a notebook call."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.cards.writing import write_cards
from engine.common.errors import ConfigError
from engine.driving.thinning import keep_all_as_set
from engine.events.control import Control
from engine.execution.places import Places
from engine.execution.worker_process import Execute
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from engine.results.export import write_results
from engine.running.chosen_places import chosen_places
from engine.running.continuing import Continuation, begin_continuation, continuation_of
from engine.running.experiment_check import Report, check
from engine.running.following import Following, Watch
from engine.running.results_folder import RESULTS, begin, check_folder, opened
from engine.store import Store
from engine.store.schema import SHARED


def run_experiment(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    only: int | None = None,
    continue_from: Path | None = None,
    control: Control | None = None,
    watch: Watch | None = None,
    execute: Execute | None = None,
    on_report: Callable[[Report], None] = lambda report: None,
    on_remark: Callable[[str], None] = lambda sentence: None,
    on_end: Callable[[str], None] = lambda run_id: None,
    on: str | None = None,
    parallel: int | str | None = None,
    places: Places | None = None,
) -> dict[str, Any]:
    """Execute all runs of an experiment, keep everything under `folder`, return what `results.json` there holds.

    With `resume`, runs that are not finished go on from the last point that they kept; a folder that holds another
    experiment is refused, and so is one that holds any without `resume`; one that failed before it trained anything
    makes way. With `only`, the run of that number alone is executed, counted from 1 in the order of
    `experiment.runs()`: a new folder then holds that run of the experiment and no other. With `continue_from`, a folder
    of results of an experiment with fewer tasks, runs begin with its stages (`continuing`). Stopping `control` ends it
    after the runs in progress have kept what they reached. `on_report` gets what the tasks came to before anything
    runs, `on_remark` sentences on runs that can't begin with all of the earlier stages, `on_end` the id of each run
    once its results are written.

    Runs are computed on this machine or, where `on` is "ray", on a Ray cluster; None leaves it to PALIMPSEST_ON. Here
    `parallel` runs go at once, or "auto" for one a GPU; None leaves it to PALIMPSEST_PARALLEL. `watch` is then called
    from several threads. One run computes in the thread that called; several, and those of a cluster, have processes of
    their own, so that a script that calls this does so under `if __name__ == "__main__":`. `places` and `execute` stand
    in for where and how runs are executed. Raises PalimpsestError for bad input, and then leaves `folder` as it was.
    """
    number = None if only is None else _numbered(experiment, only)
    folder = folder.resolve()
    places = places or chosen_places(folder, on, parallel)
    check_folder(folder, resume, experiment)
    with TemporaryDirectory(prefix="palimpsest-") as aside, ExitStack() as stack:
        tokens = SharedResults(Path(aside) / "tokens", elsewhere=folder / SHARED)  # where it has results already
        add = None
        if continue_from is not None:
            continuation = stack.enter_context(continuation_of(continue_from, experiment, Path(aside) / "records"))
            add = partial(_continue, continuation=continuation, only=number, tell=on_remark)
        check_input(experiment, on_report, tokens)
        with opened(folder) as (lock, store):
            experiment_id = begin(store, experiment, resume, number, add)
        SharedResults(store.shared_folder).adopt(tokens)
    try:
        following = Following(store, places, experiment_id, number, control or Control(), watch, execute)
        return _work(store, experiment_id, following, on_end)
    finally:
        places.close()
        store.close()
        lock.release()


def _continue(store: Store, continuation: Continuation, only: int | None, tell: Callable[[str], None]) -> str:
    experiment_id, damaged = begin_continuation(store, continuation, only)
    for sentence in (*continuation.words, *damaged):
        tell(sentence)
    return experiment_id


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


def _work(store: Store, experiment_id: str, following: Following, on_end: Callable[[str], None]) -> dict[str, Any]:
    path = store.folder / RESULTS
    keep_all_as_set(store)  # of runs whose process was killed
    found = write_results(store, experiment_id, path)
    for run_id in store.runs(experiment_id)["run_id"]:  # of runs whose process was killed
        write_cards(store, run_id, missing_only=True)
    with closing(following):
        for run_id in following.ended_runs():
            write_cards(store, run_id)
            found = write_results(store, experiment_id, path)
            on_end(run_id)
    return found
