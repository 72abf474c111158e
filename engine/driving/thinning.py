"""Keeping fewer checkpoints of runs that have finished: as their experiment says at a run's end, or as a user asks.

The store forgets a checkpoint before its files go, so that a kill leaves at most files that the next call removes. The
same files may lie among the shared results under other names: what no run holds any more goes there too, once no run
waits that could take it over. So do tensors that runs have computed from a stage's weights, such as Fisher information:
a run that needs them again computes them again from the checkpoint.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from engine.common.durable_files import files_of, writing
from engine.common.errors import PalimpsestError
from engine.driving.run_log import log
from engine.experiments.kept_checkpoints import Keep
from engine.persistence.checkpoints import RESUME_FILES, drop_large_states, drop_states, remove_stages, stage_folder
from engine.persistence.disk_space import used_bytes
from engine.persistence.shared_results import SharedResults
from engine.store import Store
from engine.store.schema import RUNS

BEST_BY = "bits_per_byte"
"""The score whose mean over all tasks names the best stage."""


def thin(store: Store, run_ids: Iterable[str], keep: Keep) -> int:
    """Keep no more checkpoints of these runs than `keep` says, of those that have finished; returns the bytes that
    became free. Raises StoreError where the store or the disk can't be written."""
    before = _bytes(store)
    runs = store.runs(run_ids=list(run_ids))
    for run_id in runs.loc[runs["status"] == "finished", "run_id"]:
        _thin_run(store, str(run_id), keep)
    _free_shared(store, keep)
    return max(0, before - _bytes(store))


def would_free(store: Store, run_ids: Iterable[str], keep: Keep) -> int:
    """About how many bytes `thin` would free: of the files that would go those that nothing else holds."""
    names, sizes, links = Counter[int](), dict[int, int](), dict[int, int]()
    for file in _files_to_go(store, run_ids, keep):
        about = file.stat()
        names[about.st_ino] += 1
        sizes[about.st_ino], links[about.st_ino] = about.st_size, about.st_nlink
    if keep != "all" and not store.runs_in_play():
        names.update(inode for file in files_of(store.shared_folder) if (inode := file.stat().st_ino) in sizes)
    return sum(size for inode, size in sizes.items() if names[inode] >= links[inode])


def _files_to_go(store: Store, run_ids: Iterable[str], keep: Keep) -> Iterator[Path]:
    """The files of runs that `thin` would remove."""
    runs = store.runs(run_ids=list(run_ids))
    for run_id in map(str, runs.loc[runs["status"] == "finished", "run_id"]):
        stay = kept_stages(store, run_id, keep)
        for stage in range(1, len(store.stages(run_id)) + 1):
            folder = stage_folder(store.run_folder(run_id), stage)
            yield from (file for file in files_of(folder) if stage not in stay or file.name in RESUME_FILES)


def keep_as_set(store: Store, run_id: str) -> None:
    """Keep of a run that has just finished what its experiment says. What refuses is in the run's log: the run has
    finished all the same, and `keep_all_as_set` tries again."""
    try:
        experiment_id, _ = store.run_spec(run_id)
        keep = store.experiment(experiment_id).checkpoints
        _thin_run(store, run_id, keep)
        _free_shared(store, keep)
    except PalimpsestError as error:
        log(store, run_id, f"keeps more checkpoints than it should: {error}", anew=False)


def keep_all_as_set(store: Store) -> None:
    """The same of every run that had finished before a kill kept it from that."""
    _free_shared(store, "all")
    runs = store.runs()
    for experiment_id, own in runs[runs["status"] == "finished"].groupby("experiment_id"):
        with suppress(PalimpsestError):  # of a version that knew other fields
            if store.experiment(str(experiment_id)).checkpoints != "all":
                for run_id in map(str, own["run_id"]):
                    keep_as_set(store, run_id)


def kept_stages(store: Store, run_id: str, keep: Keep) -> tuple[int, ...]:
    """The stages of a finished run whose checkpoints stay, of those that it still has."""
    stages = store.stages(run_id)
    there = [int(row.stage) for row in stages.itertuples() if isinstance(row.checkpoint, str)]
    if keep == "all" or not there:
        return tuple(there)
    if keep == "none":
        return ()
    if keep == "last":
        return (max(there),)
    matrix = store.matrix(run_id)
    means = matrix[matrix["stage"].isin(there)].groupby("stage")[BEST_BY].mean().dropna()
    # of equal ones the later, which has learnt more tasks
    return (max(means.index[means == means.min()]),) if len(means) else (max(there),)


def _thin_run(store: Store, run_id: str, keep: Keep) -> None:
    folder, stages = store.run_folder(run_id), kept_stages(store, run_id, keep)
    if keep != "all":
        store.forget_checkpoints(run_id, stages)
    with writing(folder):
        remove_stages(folder, stages)
        if keep == "all":
            drop_large_states(folder, max(stages, default=0), is_over=True)
        else:  # no task can be added, so that the run never goes on
            for stage in stages:
                drop_states(stage_folder(folder, stage))


def _bytes(store: Store) -> int:
    return used_bytes(store.folder / RUNS, store.shared_folder)


def _free_shared(store: Store, keep: Keep) -> None:
    """Remove the tensors of stages among the shared results, and where `keep` is not "all" the weights that no run
    holds, unless a run is on its way that may take them."""
    if store.runs_in_play():
        return
    shared = SharedResults(store.shared_folder)
    shared.drop_tensors_of_stages()
    if keep != "all":
        shared.drop_unheld()
