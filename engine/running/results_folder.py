"""The folder in which a run without a page keeps its results: what is in it already, and who may write to it."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.common.errors import ConfigError
from engine.driving.thinning import thin
from engine.experiments.experiment import NONE, Experiment, to_data
from engine.experiments.kept_checkpoints import Keep
from engine.experiments.training import Training
from engine.results.export import write_results
from engine.running.runner_lock import RunnerLock
from engine.store import Store
from engine.store.migrations import as_before_4, sampled_as_before_6
from engine.store.writing import run_id_of

RESULTS = "results.json"
DATABASE = "palimpsest.db"


def check_folder(folder: Path, resume: bool, experiment: Experiment) -> None:
    """Raises ConfigError where results would be mixed or overwritten, with what to do instead."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: this is a file; give a folder for the results.")
    if (folder / DATABASE).is_file():
        with closing(Store(folder)) as store:
            _check_store(store, resume, experiment)
    elif (folder / RESULTS).exists():
        raise ConfigError(
            f"{folder}: holds {RESULTS} but not the records that belong to it ({DATABASE}), so nothing can go on and "
            "the file would be written over; choose another folder."
        )


def begin(
    store: Store,
    experiment: Experiment,
    resume: bool,
    only: int | None = None,
    add: Callable[[Store], str] | None = None,
) -> str:
    """The experiment's id in the folder's store, with everything that is not finished in the queue, runs that the
    folder lacks too; or with `only` the run of that number from 0, and the others as they are. The checkpoints to keep
    may have changed; they count for the runs that are still to finish.

    An experiment that failed before it trained anything makes way for another. `add` stands in for how a new one is
    put there. Raises ConfigError as `check_folder`.
    """
    _check_store(store, resume, experiment)
    store.mark_interrupted()
    experiment_id = _same(store, experiment)
    if experiment_id is None:
        for other in store.experiments()["experiment_id"]:
            store.delete_experiment(other)
        return store.add_experiment(experiment, only=only) if add is None else add(store)
    store.set_kept_checkpoints(experiment_id, experiment.checkpoints)
    store.add_missing_runs(experiment_id, store.experiment(experiment_id), only)
    runs = store.runs(experiment_id)
    ended_early = runs.loc[runs["status"].isin(["interrupted", "stopped", "failed"]), "run_id"]
    for run_id in ended_early[::-1]:  # each goes to the front of the queue
        if only is None or run_id == run_id_of(experiment_id, only):
            store.requeue(run_id)
    return experiment_id


def keep_checkpoints(folder: Path, keep: Keep) -> int:
    """Keep no more checkpoints than `keep` says of all runs in a folder that have finished, and of those that are still
    to finish; returns the bytes that became free. Raises ConfigError where the folder holds no runs, StoreError."""
    if not (folder / DATABASE).is_file():
        raise ConfigError(f"{folder}: holds no runs ({DATABASE} is not there); give a folder of results.")
    with closing(Store(folder)) as store:
        experiments = list(map(str, store.experiments()["experiment_id"]))
        for experiment_id in experiments:
            store.set_kept_checkpoints(experiment_id, keep)
        freed = thin(store, map(str, store.runs()["run_id"]), keep)
        if (folder / RESULTS).exists() and len(experiments) == 1:
            write_results(store, experiments[0], folder / RESULTS)
    return freed


def _check_store(store: Store, resume: bool, experiment: Experiment) -> None:
    """Nothing is here, the same experiment is to go on, or the one that is here failed before it trained anything."""
    kept = store.experiments()["experiment_id"].tolist()
    if not kept or (len(kept) == 1 and _came_to_nothing(store, kept[0])):
        return
    if _same(store, experiment) is None:
        differs = ", ".join(differing_fields(to_data(store.experiment(kept[0])), to_data(experiment)))
        raise ConfigError(
            f"{store.folder}: holds another experiment (other {differs}); choose another folder for this one."
        )
    if not resume:
        raise ConfigError(
            f"{store.folder}: holds results already; add --resume to go on with them, or choose another folder."
        )


def differing_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of two experiments' configurations that are not the same."""
    return [name for name in {**after, **before} if before.get(name) != after.get(name)]


def _same(store: Store, experiment: Experiment) -> str | None:
    experiment = experiment.model_copy(update={"checkpoints": "all"})  # they make no other experiment
    wanted = to_data(experiment)
    before = wanted | {"tasks": _tasks_of_before(experiment)}
    sampled = _sampled_as_before(experiment)
    for experiment_id in map(str, store.experiments()["experiment_id"]):
        kept = to_data(store.experiment(experiment_id).model_copy(update={"checkpoints": "all"}))
        if not Path(kept["model"]).is_absolute() and str(Path(kept["model"]).resolve()) == wanted["model"]:
            kept["model"] = wanted["model"]  # of before, when folders of models were kept as they were written
        kept |= _unscored_as_before(kept, experiment)
        if any(kept["training"] == training for training in sampled):
            kept["training"] = wanted["training"]
        if kept == wanted or (kept == before and store.joined_as_before(experiment_id)):
            return experiment_id
    return None


def _unscored_as_before(kept: dict[str, Any], experiment: Experiment) -> dict[str, Any]:
    """What a file that says nothing of a general text and of answers meant where they were not known yet, or were left
    out: it goes on without them."""
    wanted, found = to_data(experiment), dict[str, Any]()
    if kept["general"] == NONE and "general" not in experiment.model_fields_set:
        found["general"] = wanted["general"]
    usual = experiment.training.answer_questions == Training().answer_questions
    if kept["training"]["answer_questions"] == 0 and usual:
        found["training"] = kept["training"] | {"answer_questions": wanted["training"]["answer_questions"]}
    return found


def _sampled_as_before(experiment: Experiment) -> list[dict[str, Any]]:
    """The training settings as experiments of earlier versions are kept, whose curves had one sample for all tasks."""
    training = to_data(experiment)["training"]
    given = {name: value for name, value in training.items() if name != "evaluation_tokens"}
    is_default = experiment.training.evaluation_tokens == Training().evaluation_tokens
    return [
        sampled_as_before_6(each, len(experiment.tasks)) for each in ([training, given] if is_default else [training])
    ]


def _tasks_of_before(experiment: Experiment) -> list[dict[str, Any]]:
    """What its tasks meant to versions that could not be told how pairs are joined; what the file says, it says."""
    found = []
    for spec, task in zip(experiment.tasks, to_data(experiment)["tasks"], strict=True):
        said = {name: getattr(spec, name) for name in ("separator", "beyond_block") if name in spec.model_fields_set}
        found.append(as_before_4(task | said))
    return found


def _came_to_nothing(store: Store, experiment_id: str) -> bool:
    """Whether it failed at its start, so that there is nothing to keep."""
    runs = store.runs(experiment_id)
    over = runs["status"].isin(["failed", "stopped", "interrupted", "queued"])
    return bool(over.all() and (runs["status"] == "failed").any() and store.steps(runs["run_id"].tolist()).empty)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[RunnerLock, Store]]:
    """The folder's lock, held, and its store; both are the caller's to close once the block has ended well.

    Where it does not (the experiment is refused, or the disk is full), both are closed and the folder is as it was
    before. Raises ConfigError where another process works in the folder.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    before = set[Path]() if missing else set(folder.iterdir())
    lock = RunnerLock(folder)
    if not lock.take():
        raise ConfigError(
            f"{folder}: {lock.holder()} is working in this folder; wait for it, or choose another folder."
        )
    store = None
    try:
        store = Store(folder)
        yield lock, store
    except BaseException:
        if store is not None:
            store.close()
        with suppress(OSError):  # a disk that takes nothing gives nothing back either
            for made in set(folder.iterdir()) - before:
                shutil.rmtree(made) if made.is_dir() else made.unlink()
            for each in missing:
                each.rmdir()
        lock.release()
        raise
