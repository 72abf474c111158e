"""Results folders of one experiment, made into one: what many machines executed run by run.

The folders are only read.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.common.durable_files import flush, partial_of, remove_partials, writing
from engine.common.errors import ConfigError, StoreError, StoreUnavailableError
from engine.common.paths import made
from engine.driving.recorded_inputs import refuse_other_model, refuse_other_text_beside, refuse_other_texts
from engine.experiments.experiment import Experiment
from engine.persistence.disk_space import check_copies
from engine.persistence.run_files import copied_bytes, take_files
from engine.results.export import write_results
from engine.running.results_folder import RESULTS, differing_fields
from engine.running.sources import opened_copy, records_bytes, without_places
from engine.store import Store
from engine.store.schema import ACTIVE
from engine.store.writing import run_id_of


@dataclass(frozen=True)
class _Source:
    """A folder of results that is joined."""

    folder: Path
    store: Store
    """A copy of its records."""
    experiment_id: str

    @property
    def experiment(self) -> Experiment:
        return self.store.experiment(self.experiment_id)


@dataclass(frozen=True)
class _Taken:
    """A run with the folder that it is taken from."""

    source: _Source
    run_id: str

    @property
    def words(self) -> str:
        _, spec = self.source.store.run_spec(self.run_id)
        return f"{spec.label}, seed {spec.seed}"

    @property
    def files(self) -> Path:
        return self.source.folder / "runs" / self.run_id

    @property
    def log(self) -> Path:
        return self.source.folder / "logs" / f"{self.run_id}.log"


def join(folders: Sequence[Path], out: Path) -> dict[str, Any]:
    """Join results folders of one experiment into the new folder `out`; returns what `results.json` there holds.

    It holds every run that was begun in any of them, in the experiment's order, with its records, checkpoints, resume
    points and log, as if one machine had executed them. Runs that have not ended are interrupted, and runs that no
    folder has begun are left out; `run_experiment` with `resume` goes on with the first and begins the second. Weights
    are linked where the disk can, else copied. `out` appears once it is whole.

    Raises PalimpsestError, before anything is written, for a folder that holds no results or is being worked in, for
    another experiment, other texts or another base model, for a run that two folders have, for want of space, and
    where `out` is not empty.
    """
    folders, out = [folder.resolve() for folder in folders], out.resolve()
    _check_places(folders, out)
    with ExitStack() as stack, TemporaryDirectory(prefix="palimpsest-") as aside:
        sources = [
            stack.enter_context(_opened(folder, Path(aside) / str(number))) for number, folder in enumerate(folders)
        ]
        _check_experiments(sources)
        taken = _chosen_runs(sources)
        _check_texts(list(taken.values()))
        check_copies(
            out, sum(copied_bytes(each.files, out) for each in taken.values()) + sum(map(records_bytes, folders))
        )
        return _write(taken, out)


def _check_places(folders: Sequence[Path], out: Path) -> None:
    """Raises ConfigError."""
    for number, folder in enumerate(folders):
        if folder in folders[:number]:
            raise ConfigError(f"{folder}: this folder is named twice; name each folder once.")
        if out.is_relative_to(folder):
            raise ConfigError(f"{out}: lies in {folder}, which is only read; choose a folder elsewhere.")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: this is a file; give a folder for the joined results.")
    if out.is_dir() and any(out.iterdir()):
        raise ConfigError(f"{out}: is not empty; choose a new folder for the joined results.")


@contextmanager
def _opened(folder: Path, aside: Path) -> Iterator[_Source]:
    """A folder of results with a copy of its records `aside`. Raises ConfigError, StoreError."""
    with opened_copy(folder, aside) as store:
        yield _Source(folder, store, _only_experiment(folder, store))


def _only_experiment(folder: Path, store: Store) -> str:
    """The id of the one experiment in a folder, none of whose runs is running. Raises ConfigError."""
    kept = store.experiments()["experiment_id"].tolist()
    if len(kept) != 1:
        raise ConfigError(f"{folder}: holds {len(kept)} experiments; name folders of results that have one.")
    if store.runs()["status"].isin(ACTIVE).any():
        raise StoreUnavailableError(f"{folder}: a run is still running here; wait for it to end, and join then.")
    return str(kept[0])


def _check_experiments(sources: Sequence[_Source]) -> None:
    """Raises ConfigError where a folder's experiment is another one. Files and models may lie elsewhere on another
    machine, under the same names: what was read of them is compared by its content."""
    first, *others = sources
    wanted = _without_places(first)
    for other in others:
        if differs := differing_fields(wanted, _without_places(other)):
            raise ConfigError(
                f"{other.folder}: holds another experiment than {first.folder} (other {', '.join(differs)}); join "
                "folders of one experiment."
            )


def _without_places(source: _Source) -> dict[str, Any]:
    return without_places(source.experiment, source.store.joined_as_before(source.experiment_id))


def _chosen_runs(sources: Sequence[_Source]) -> dict[int, _Taken]:
    """The folder that each run is taken from, by the run's number from 0, in order. Raises ConfigError where two have
    it: one that failed before it recorded anything gives way."""
    begun: dict[int, list[tuple[_Taken, bool]]] = {}
    for source in sources:
        for number, (run_id, has_rows) in source.store.begun_runs(source.experiment_id).items():
            begun.setdefault(number, []).append((_Taken(source, run_id), has_rows))
    if not begun:
        raise ConfigError(
            f"{sources[0].folder}: no run was begun in any of these folders, so there is nothing to join."
        )
    found = {}
    for number in sorted(begun):
        recorded = [taken for taken, has_rows in begun[number] if has_rows]
        if len(recorded) > 1:
            _refuse_two(number, *recorded[:2])
        found[number] = recorded[0] if recorded else begun[number][0][0]
    return found


def _refuse_two(number: int, one: _Taken, other: _Taken) -> None:
    is_same = one.source.store.made_the_same(one.run_id, other.source.store, other.run_id)
    recorded = "the same losses and scores" if is_same else "other losses and scores"
    raise ConfigError(
        f"Run {number + 1} ({one.words}) was begun in {one.source.folder} and in {other.source.folder}, which recorded "
        f"{recorded} of it; leave one of the two folders out."
    )


def _check_texts(taken: Sequence[_Taken]) -> None:
    """Raises StoreError where a run read other texts, or began from another model, than those before it."""
    first: dict[str, Any] = {}
    for each in taken:
        found = {name: facts for name, facts in each.source.store.recorded_inputs(each.run_id).items() if facts}
        before = {name: first.get(name, found[name]) for name in found}
        try:
            refuse_other_texts(before.get("tasks", []), found.get("tasks", []), _OTHER_TEXT)
            for field in ("reference", "general"):
                refuse_other_text_beside(field, before.get(field, {}), found.get(field))
            refuse_other_model(each.source.experiment.model, before.get("model", {}), found.get("model", {}))
        except StoreError as error:
            raise StoreError(f"{each.source.folder}: {error}") from error
        first |= before


_OTHER_TEXT = "is not what the runs of the other folders read, so they can't be joined"


def _write(taken: dict[int, _Taken], out: Path) -> dict[str, Any]:
    """Write the joined folder under another name, and give it its own. Raises StoreError."""
    made(out.parent)
    remove_partials(out)
    partial = partial_of(out)
    try:
        with writing(out):
            found = _fill(taken, partial)
            if out.exists():
                out.rmdir()  # it is empty
            partial.rename(out)
            flush(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def _fill(taken: dict[int, _Taken], folder: Path) -> dict[str, Any]:
    store, first = Store(folder), next(iter(taken.values())).source
    try:
        store.take_experiment(first.store, first.experiment_id)
        for number, each in taken.items():
            run_id = run_id_of(first.experiment_id, number)
            store.take_run(each.source.store, each.run_id, first.experiment_id, run_id)
            take_files(each.files, store.run_folder(run_id))
            if each.log.is_file():
                store.log_path(run_id).parent.mkdir(exist_ok=True)
                shutil.copy2(each.log, store.log_path(run_id))
        return write_results(store, first.experiment_id, folder / RESULTS)
    except StoreError as error:  # it names a file of the new folder, which will not be there
        text = str(error)
        for number, each in taken.items():
            text = text.replace(str(store.run_folder(run_id_of(first.experiment_id, number))), str(each.files))
        raise type(error)(text) from error
    finally:
        store.close()
