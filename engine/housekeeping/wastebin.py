"""The bin: what is in it is in no list, no queue and no comparison, and goes for good after a day, or at once.

A run is in the bin when its `deleted_at` is set; that of an experiment is set together with those of the runs that go
with it, so that the times tell these from runs that were put there before. What is being removed has the time 0: it
can't be restored any more, and whoever empties the bin next finishes what a kill left behind.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from engine.common.errors import StoreError
from engine.common.quoting import listed
from engine.housekeeping.changes import SERVER, last_by, record_in
from engine.housekeeping.chosen import Chosen, Thing, run_name, things
from engine.persistence.disk_use import freed_bytes, names_under, taken_bytes
from engine.store import schema
from engine.store.schema import ACTIVE, Database, experiments, now, runs
from engine.store.writing import effective_status

DAY_SECONDS = 24 * 3600.0
PUT, RESTORED, EMPTIED = "moved to the bin", "restored", "deleted for good"
"""The actions of the log."""
_GOING = 0.0
_UNQUEUED = "Taken out of the queue when it was moved to the bin."


@dataclass(frozen=True)
class Binned:
    """An experiment in the bin with the runs that went with it, or a single run."""

    thing: Thing
    deleted_at: float
    """Seconds since 1970."""
    visitor: str
    """Who put it there; "" where nobody logs in."""
    run_ids: tuple[str, ...]
    """The runs whose files go with it."""

    @property
    def goes_at(self) -> float:
        return self.deleted_at + DAY_SECONDS

    @property
    def chosen(self) -> Chosen:
        own = (self.thing.about,)
        return Chosen(own) if self.thing.kind == "experiment" else Chosen(runs=own)


def put(store: Database, chosen: Chosen) -> None:
    """Move experiments and runs to the bin; an experiment goes with its last run. Runs that wait leave the queue.

    Raises StoreError while one of the runs is running, and where something chosen is gone.
    """
    at = now()
    with store.writing() as connection:
        things(connection, chosen)
        own = _runs_of(connection, chosen)
        going = [row for row in own if effective_status(row.run_id, row.status, row.heartbeat_at) in ACTIVE]
        if going:
            called = listed([f"{row.label} (seed {row.seed})" for row in going], most=3)
            raise StoreError(f"Still running: {called}. Stop what runs first, then move it to the bin.")
        ids = [row.run_id for row in own]
        _end_waiting(connection, ids, at)
        connection.execute(update(runs).where(runs.c.run_id.in_(ids)).values(deleted_at=at))
        emptied = _without_runs(connection, {row.experiment_id for row in own})
        gone = experiments.c.experiment_id.in_({*chosen.experiments, *emptied}) & experiments.c.deleted_at.is_(None)
        connection.execute(update(experiments).where(gone).values(deleted_at=at))


def restore(store: Database, chosen: Chosen) -> None:
    """Take experiments with the runs that went with them, and single runs, out of the bin. Runs that waited are stopped
    and can be resumed. Raises StoreError for what is being removed, or is gone."""
    with store.writing() as connection:
        things(connection, chosen)
        own = _binned_runs(connection, chosen)
        experiment_ids = {*chosen.experiments, *(row.experiment_id for row in own)}
        known = select(experiments.c.deleted_at).where(experiments.c.experiment_id.in_(experiment_ids))
        times = {*connection.execute(known).scalars(), *(row.deleted_at for row in own)}
        if _GOING in times:
            raise StoreError("This is being deleted for good; it can't be restored any more.")
        connection.execute(update(runs).where(runs.c.run_id.in_([row.run_id for row in own])).values(deleted_at=None))
        connection.execute(
            update(experiments).where(experiments.c.experiment_id.in_(experiment_ids)).values(deleted_at=None)
        )


def contents(store: Database) -> list[Binned]:
    """What is in the bin, what was put there last first."""
    with store.reading() as connection:
        found = [each for each in _contents(connection) if each.deleted_at != _GOING]
    return sorted(found, key=lambda each: -each.deleted_at)


def runs_in(store: Database) -> list[str]:
    """The runs whose files go when the bin is emptied."""
    return [run_id for each in contents(store) for run_id in each.run_ids]


def runs_of(store: Database, chosen: Chosen) -> list[str]:
    """The runs that `put` would move."""
    with store.reading() as connection:
        return [row.run_id for row in _runs_of(connection, chosen)]


def sizes(store: Database, run_ids: Iterable[str]) -> tuple[int, int]:
    """The bytes that the files of these runs take, each file counted once, and those that are free once they are
    removed: a file that another run or the results for later runs hold as well stays."""
    names = [name for run_id in run_ids for name in names_under(*files_of(store, run_id))]
    return taken_bytes(names), freed_bytes(names)


def files_of(store: Database, run_id: str) -> tuple[Path, Path]:
    """The folder of a run's checkpoints and its log: all that goes with it."""
    return store.run_folder(run_id), store.log_path(run_id)


def empty(store: Database, visitor: str, before: float | None = None) -> tuple[list[Thing], int]:
    """Remove what is in the bin for good, or what was put there before a time; returns what it was, and the bytes that
    were freed. It is noted in the log in the name of the visitor."""
    with store.writing() as connection:
        going = [each for each in _contents(connection) if before is None or each.deleted_at < before]
        if not going:
            return [], 0
        run_ids = [run_id for each in going for run_id in each.run_ids]
        connection.execute(update(runs).where(runs.c.run_id.in_(run_ids)).values(deleted_at=_GOING))
        of = experiments.c.experiment_id.in_([i for each in going for i in each.chosen.experiments])
        connection.execute(update(experiments).where(of).values(deleted_at=_GOING))
    gone, freed = _remove_files(store, run_ids)
    with store.writing() as connection:
        there = {(each.thing.kind, each.thing.about) for each in _contents(connection)}
        connection.execute(delete(runs).where(runs.c.run_id.in_(gone)))
        left = select(runs.c.experiment_id)
        connection.execute(delete(experiments).where(of, experiments.c.experiment_id.not_in(left)))
        there -= {(each.thing.kind, each.thing.about) for each in _contents(connection)}
        removed = [each.thing for each in going if (each.thing.kind, each.thing.about) in there]
        record_in(connection, visitor, EMPTIED, removed)
    return removed, freed


def _remove_files(store: Database, run_ids: Collection[str]) -> tuple[list[str], int]:
    """Remove the files of runs; returns the runs of which nothing is left, and the bytes that this freed. What another
    program holds open may stay, and is tried again when the bin is next emptied."""
    names = {run_id: list(names_under(*files_of(store, run_id))) for run_id in run_ids}
    for run_id in run_ids:
        folder, log = files_of(store, run_id)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            log.unlink(missing_ok=True)
    gone = [run_id for run_id in run_ids if not any(place.exists() for place in files_of(store, run_id))]
    return gone, freed_bytes(name for run_id in gone for name in names[run_id])


def tidy(store: Database) -> None:
    """Remove for good what has been in the bin for a day."""
    if holds_older(store, cutoff := now() - DAY_SECONDS):
        empty(store, SERVER, cutoff)


def holds_older(store: Database, cutoff: float) -> bool:
    """Whether something was put into the bin before a time. Takes no lock."""
    with store.reading() as connection:
        return any(
            connection.execute(select(table.c.deleted_at).where(table.c.deleted_at < cutoff).limit(1)).first()
            for table in (experiments, runs)
        )


def _runs_of(connection: Connection, chosen: Chosen) -> list[Any]:
    """The chosen runs and all of the chosen experiments, without those that are in the bin."""
    columns = (runs.c.run_id, runs.c.experiment_id, runs.c.label, runs.c.seed, runs.c.status, runs.c.heartbeat_at)
    which = or_(runs.c.run_id.in_(chosen.runs), runs.c.experiment_id.in_(chosen.experiments))
    return list(connection.execute(select(*columns).where(which, runs.c.deleted_at.is_(None))))


def _binned_runs(connection: Connection, chosen: Chosen) -> list[Any]:
    """The chosen runs, and those that went with the chosen experiments."""
    columns = (runs.c.run_id, runs.c.experiment_id, runs.c.deleted_at)
    with_it = experiments.c.experiment_id.in_(chosen.experiments) & (runs.c.deleted_at == experiments.c.deleted_at)
    query = select(*columns).join_from(runs, experiments).where(or_(runs.c.run_id.in_(chosen.runs), with_it))
    return list(connection.execute(query))


def _end_waiting(connection: Connection, run_ids: Collection[str], at: float) -> None:
    """Nothing in the bin waits or says that it runs: a run whose process stopped beating may come back."""
    own = runs.c.run_id.in_(run_ids)
    ended = {"phase": "", "request": None}
    connection.execute(
        update(runs).where(own, runs.c.status == "queued").values(
            status="stopped", reason=_UNQUEUED, finished_at=at, **ended
        )
    )  # fmt: skip
    lost = update(runs).where(own, runs.c.status.in_(ACTIVE))
    connection.execute(lost.values(status="interrupted", reason=schema.GONE, finished_at=runs.c.heartbeat_at, **ended))


def _without_runs(connection: Connection, experiment_ids: Collection[str]) -> set[str]:
    left = select(runs.c.experiment_id).where(runs.c.experiment_id.in_(experiment_ids), runs.c.deleted_at.is_(None))
    return set(experiment_ids) - set(connection.execute(left).scalars())


def _contents(connection: Connection) -> list[Binned]:
    of_experiments = select(experiments.c.experiment_id, experiments.c.name, experiments.c.deleted_at)
    whole = list(connection.execute(of_experiments.where(experiments.c.deleted_at.is_not(None))))
    columns = (runs.c.run_id, runs.c.experiment_id, runs.c.title, runs.c.label, runs.c.seed, runs.c.deleted_at)
    query = select(*columns, experiments.c.name, experiments.c.deleted_at.label("of_experiment"))
    own = list(connection.execute(query.join_from(runs, experiments).where(runs.c.deleted_at.is_not(None))))
    single = [row for row in own if row.deleted_at != row.of_experiment]
    put_by = last_by(connection, PUT, [*(row.experiment_id for row in whole), *(row.run_id for row in single)])
    with_it: dict[str, list[str]] = {}
    for row in own:
        if row.deleted_at == row.of_experiment:
            with_it.setdefault(row.experiment_id, []).append(row.run_id)
    return [
        *(
            Binned(
                Thing("experiment", row.experiment_id, row.name), row.deleted_at, put_by.get(row.experiment_id, ""),
                tuple(with_it.get(row.experiment_id, [])),
            )
            for row in whole
        ),
        *(
            Binned(
                Thing("run", row.run_id, run_name(row.title, row.label, row.seed, row.name)), row.deleted_at,
                put_by.get(row.run_id, ""), (row.run_id,),
            )
            for row in single
        ),
    ]  # fmt: skip
