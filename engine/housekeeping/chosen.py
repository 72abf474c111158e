"""Experiments and runs that somebody chose, and what they are called."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from engine.common.errors import StoreError
from engine.store.schema import experiments, runs


@dataclass(frozen=True)
class Chosen:
    """The ids of experiments, and of single runs of whatever experiments."""

    experiments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.experiments or self.runs)


@dataclass(frozen=True)
class Thing:
    """Something that was changed, by what it was called then."""

    kind: str
    """Such as "experiment", "run" or "task"."""
    about: str
    """Its id."""
    name: str


def things(connection: Connection, chosen: Chosen) -> list[Thing]:
    """What is chosen, with names. Raises StoreError where one of them is not in the store."""
    found = [
        *_experiments(connection, chosen.experiments),
        *_runs(connection, chosen.runs),
    ]
    missing = {*chosen.experiments, *chosen.runs} - {each.about for each in found}
    if missing:
        raise StoreError(
            f"{', '.join(sorted(missing))}: not in this data folder any more; it may have been deleted. "
            "Reload the page."
        )
    return found


def _experiments(connection: Connection, ids: Sequence[str]) -> list[Thing]:
    query = select(experiments.c.experiment_id, experiments.c.name).where(experiments.c.experiment_id.in_(ids))
    return [Thing("experiment", *row) for row in connection.execute(query)] if ids else []


def _runs(connection: Connection, ids: Sequence[str]) -> list[Thing]:
    columns = (runs.c.run_id, runs.c.title, runs.c.label, runs.c.seed, experiments.c.name)
    query = select(*columns).join_from(runs, experiments).where(runs.c.run_id.in_(ids))
    return (
        [
            Thing("run", row.run_id, run_name(row.title, row.label, row.seed, row.name))
            for row in connection.execute(query)
        ]
        if ids
        else []
    )


def run_name(title: str, label: str, seed: int, experiment: str) -> str:
    """The name that a user gave a run, else what it is of which experiment."""
    return title or f"{label}, seed {seed}, of {experiment}"
