"""Whole runs that are taken from other stores: joined results say what the folders said that they come from. And the
stages of runs, with which the runs of an experiment with more tasks begin."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Row, Table, exists, insert, or_, select, update

from engine.events.run_events import ARITHMETIC, NODE, NUMBERS
from engine.experiments.experiment import Experiment
from engine.experiments.origin import Origin
from engine.store import schema
from engine.store.schema import ACTIVE, GONE, Database, experiments, now, runs
from engine.store.writing import drop_after_stage, experiment_row, new_runs

_AT_ONCE = 5_000
"""Rows that are read and written together."""
_MADE = (
    schema.losses, schema.scores, schema.document_sums, schema.answers, schema.drift, schema.guard_outcomes,
)  # fmt: skip
"""Tables in which equal runs have equal rows: none holds a time or a path."""


@dataclass(frozen=True)
class Beginning:
    """The first stages of a run, with which another one begins."""

    run_id: str
    stages: int


class Taker(Database):
    """The part of the store that takes runs over from others, and the experiments that continue others."""

    def add_continued(
        self,
        experiment: Experiment,
        experiment_id: str,
        source: Database,
        beginnings: Mapping[int, Beginning],
        origin: Origin,
        expected: Mapping[str, float] | None = None,
        only: int | None = None,
        owner: str = "",
    ) -> None:
        """Keep an experiment that continues one of `source`, which may be this store, and queue its runs as
        `Writer.add_experiment` does. The runs of `beginnings`, by their numbers from 0, begin with what was recorded of
        these stages; their checkpoints must lie in the new runs' folders already."""
        created_at = now()
        rows = new_runs(experiment, experiment_id, created_at, expected or {}, only)
        with source._reading() as reading, self._writing() as writing:
            row = experiment_row(experiment, experiment_id, created_at) | {"origin": origin.data, "owner": owner}
            writing.execute(insert(experiments), [row])
            for row in rows:
                beginning = beginnings.get(row["number"])
                own = {} if beginning is None else _begun(reading, beginning, origin)
                writing.execute(insert(runs), [row | own])
                if beginning is not None:
                    _take_rows(reading, writing, beginning.run_id, row["run_id"], beginning.stages)
                    drop_after_stage(writing, row["run_id"], beginning.stages)  # which sets its counters
                    kept = update(runs).where(runs.c.run_id == row["run_id"])
                    writing.execute(kept.values(kept_step=runs.c.step))

    def begun_runs(self, experiment_id: str) -> dict[int, tuple[str, bool]]:
        """The runs of an experiment that were ever begun, by their numbers from 0: each one's id, and whether it
        recorded anything before it ended."""
        recorded = or_(*(exists().where(table.c.run_id == runs.c.run_id) for table in (schema.stages, schema.scores)))
        begun = (runs.c.experiment_id == experiment_id) & runs.c.started_at.is_not(None) & runs.c.deleted_at.is_(None)
        with self._reading() as connection:
            found = connection.execute(select(runs.c.number, runs.c.run_id, recorded).where(begun)).all()
        return {number: (run_id, bool(has_rows)) for number, run_id, has_rows in found}

    def recorded_inputs(self, run_id: str) -> dict[str, Any]:
        """What a run recorded of its `tasks`, the `reference` text, the `general` text and its `model`, the facts of
        its machine among them; each is None before."""
        columns = (
            runs.c.task_facts.label("tasks"), runs.c.reference_facts.label("reference"),
            runs.c.general_facts.label("general"), runs.c.environment.label("model"),
        )  # fmt: skip
        with self._reading() as connection:
            return dict(connection.execute(select(*columns).where(runs.c.run_id == run_id)).one()._mapping)

    def take_experiment(self, source: Database, experiment_id: str) -> None:
        """Keep an experiment of another store, under its own id, without its runs."""
        with source._reading() as connection:
            query = select(experiments).where(experiments.c.experiment_id == experiment_id)
            row = dict(connection.execute(query).one()._mapping)
        with self._writing() as connection:
            connection.execute(insert(experiments), [row])

    def take_run(self, source: Database, run_id: str, experiment_id: str, as_id: str) -> None:
        """Keep a run of another store with all that it recorded, as the run `as_id` of an experiment of this one. One
        that had not ended, or waited to go on, is interrupted: nobody works on it here."""
        with source._reading() as reading, self._writing() as writing:
            row = dict(reading.execute(select(runs).where(runs.c.run_id == run_id)).one()._mapping)
            row |= {"run_id": as_id, "experiment_id": experiment_id, "request": None, "phase": ""}
            if row["status"] in (*ACTIVE, "queued"):
                ended = row["finished_at"] or row["heartbeat_at"]
                row |= {"status": "interrupted", "reason": row["reason"] or GONE, "finished_at": ended}
            writing.execute(insert(runs), [row])
            _take_rows(reading, writing, run_id, as_id)

    def made_the_same(self, run_id: str, other: Database, of_other: str) -> bool:
        """Whether a run recorded the same losses and scores as a run of another store, row for row."""
        with self._reading() as mine, other._reading() as theirs:
            return all(
                one == another
                for table in _MADE
                for one, another in zip_longest(
                    _rows(mine.execute(_ordered(table, run_id))), _rows(theirs.execute(_ordered(table, of_other)))
                )
            )


def _begun(reading: Connection, beginning: Beginning, origin: Origin) -> dict[str, Any]:
    """What a run that begins with these stages knows of them."""
    recorded = ("environment", "task_facts", "reference_facts", "general_facts")
    query = select(*(runs.c[name] for name in recorded)).where(runs.c.run_id == beginning.run_id)
    row = dict(reading.execute(query).one()._mapping)
    facts = row["environment"] or {}
    environment = {name: facts[name] for name in (*ARITHMETIC, NUMBERS, NODE) if name in facts}
    own = replace(origin, run_id=beginning.run_id, stages=beginning.stages, environment=environment)
    return row | {"origin": own.data}


def _take_rows(reading: Connection, writing: Connection, run_id: str, as_id: str, stages: int | None = None) -> None:
    """Copy what was recorded of a run, of its first `stages` where the number is given."""
    for table in schema.OF_STAGES:
        query = select(table).where(table.c.run_id == run_id)
        if stages is not None:
            query = query.where(table.c.stage <= stages)
        for part in reading.execute(query).partitions(_AT_ONCE):
            writing.execute(insert(table), [_renamed(each, run_id, as_id) for each in part])


def _renamed(row: Row[Any], run_id: str, as_id: str) -> dict[str, Any]:
    """A row of a run under another id; a checkpoint's path from the data folder goes by the run's id too."""
    values = dict(row._mapping) | {"run_id": as_id}
    own = f"runs/{run_id}/"
    if (values.get("checkpoint") or "").startswith(own):
        values["checkpoint"] = f"runs/{as_id}/{values['checkpoint'].removeprefix(own)}"
    return values


def _ordered(table: Table, run_id: str) -> Any:
    columns = [column for column in table.columns if column.name != "run_id"]
    return select(*columns).where(table.c.run_id == run_id).order_by(*table.primary_key.columns)


def _rows(found: Any) -> Iterator[tuple[Any, ...]]:
    return map(tuple, found)
