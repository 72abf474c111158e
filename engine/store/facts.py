"""What runs recorded of their texts, their base model and their machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, String, select, type_coerce

from engine.common.errors import StoreError
from engine.experiments.origin import Origin, origin_of
from engine.store import schema
from engine.store.curves import CurveReader
from engine.store.schema import runs

if TYPE_CHECKING:
    import pandas as pd

Ids = str | Sequence[str]
"""One id or several."""
_JSON_NULL = "null"
"""What a run that reads no such text keeps in the place of its facts."""


class FactReader(CurveReader):
    """The part of the reading half that knows of what runs recorded when they began."""

    def task_facts(self, experiment_id: str) -> pd.DataFrame:
        """The facts of the tasks by the latest run that began, in the experiment's order: documents, tokens,
        fingerprints. Empty before."""
        import pandas as pd

        query = (
            select(runs.c.task_facts, runs.c.task_order, schema.experiments.c.configuration)
            .join_from(runs, schema.experiments)
            .where(runs.c.experiment_id == experiment_id, runs.c.started_at.is_not(None))
            .order_by(runs.c.started_at.desc())
        )
        with self._reading() as connection:
            kept = next((_as_written(*row) for row in connection.execute(query) if row.task_facts), [])
        rows = [{"task": fact["name"], "task_index": number} | fact for number, fact in enumerate(kept, start=1)]
        return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["task", "task_index", "name"])

    def run_task_facts(self, run_id: str) -> list[dict[str, Any]]:
        """The facts that this run itself recorded of its tasks, in the order of training; empty before it began."""
        return self._run_value(run_id, runs.c.task_facts) or []

    def compared_task_facts(self, run_id: str) -> list[dict[str, Any]]:
        """What the first other run of its experiment that finished a stage said of its tasks; empty where none did."""
        own = select(runs.c.experiment_id).where(runs.c.run_id == run_id).scalar_subquery()
        trained = select(schema.stages.c.run_id).where(schema.stages.c.finished)
        query = (
            select(runs.c.task_facts)
            .where(runs.c.experiment_id == own, runs.c.run_id != run_id, runs.c.run_id.in_(trained))
            .order_by(runs.c.number)
        )
        with self._reading() as connection:
            return next((facts for facts in connection.execute(query).scalars() if facts), [])

    def task_facts_by_run(self, run_ids: Ids) -> dict[str, list[dict[str, Any]]]:
        """The facts that each of these runs recorded of its tasks, in the order of training; empty before it began."""
        query = select(runs.c.run_id, runs.c.task_facts).where(runs.c.run_id.in_(listed_ids(run_ids)))
        with self._reading() as connection:
            return {run_id: facts or [] for run_id, facts in connection.execute(query)}

    def reference_facts_by_run(self, run_ids: Ids) -> dict[str, dict[str, Any]]:
        """The facts that each of these runs recorded of the reference text; empty before it began, and where it reads
        none."""
        query = select(runs.c.run_id, runs.c.reference_facts).where(runs.c.run_id.in_(listed_ids(run_ids)))
        with self._reading() as connection:
            return {run_id: facts or {} for run_id, facts in connection.execute(query)}

    def reference_facts(self, experiment_id: str) -> dict[str, Any]:
        """The facts of the reference text by the first run of the experiment that read it and finished a stage; empty
        before, and where none reads it."""
        return self._first_facts(experiment_id, runs.c.reference_facts)

    def general_facts(self, experiment_id: str) -> dict[str, Any]:
        """The facts of the general text by the first run of the experiment that finished a stage; empty before, and
        where none is scored."""
        return self._first_facts(experiment_id, runs.c.general_facts)

    def _first_facts(self, experiment_id: str, facts: ColumnElement[Any]) -> dict[str, Any]:
        """Those of the first run of the experiment that has some and finished a stage."""
        trained = select(schema.stages.c.run_id).where(schema.stages.c.finished)
        query = (
            select(facts)
            .where(runs.c.experiment_id == experiment_id, type_coerce(facts, String) != _JSON_NULL)
            .where(runs.c.run_id.in_(trained))
            .order_by(runs.c.number)
        )
        with self._reading() as connection:
            return next((found for found in connection.execute(query).scalars() if found), {})

    def environment(self, run_id: str) -> dict[str, Any]:
        """Versions, device, threads, commit that the run was trained with; empty before it began."""
        return self._run_value(run_id, runs.c.environment) or {}

    def environments(self, run_ids: Ids) -> dict[str, dict[str, Any]]:
        """The environment of each of these runs; empty before it began."""
        query = select(runs.c.run_id, runs.c.environment).where(runs.c.run_id.in_(listed_ids(run_ids)))
        with self._reading() as connection:
            return {run_id: found or {} for run_id, found in connection.execute(query)}

    def origins(self, run_ids: Ids) -> dict[str, Origin]:
        """Where those of these runs come from that were made from others."""
        query = select(runs.c.run_id, runs.c.origin).where(runs.c.run_id.in_(listed_ids(run_ids)))
        with self._reading() as connection:
            found = {run_id: origin_of(data) for run_id, data in connection.execute(query)}
        return {run_id: origin for run_id, origin in found.items() if origin is not None}

    def experiment_origin(self, experiment_id: str) -> Origin | None:
        """Where an experiment comes from, where it was made from another one."""
        query = select(schema.experiments.c.origin).where(schema.experiments.c.experiment_id == experiment_id)
        with self._reading() as connection:
            return origin_of(connection.execute(query).scalar())

    def nodes(self, experiment_id: str) -> dict[str, str]:
        """The name of the machine that each run of the experiment last began on, by run id, without runs that recorded
        none."""
        node = runs.c.environment["node"].as_string()
        query = select(runs.c.run_id, node).where(
            runs.c.experiment_id == experiment_id, runs.c.environment.is_not(None)
        )
        with self._reading() as connection:
            return {run_id: found for run_id, found in connection.execute(query) if found}

    def machine(self, experiment_id: str) -> dict[str, Any] | None:
        """The environment that the first run of the experiment has recorded; None before one began."""
        query = select(runs.c.environment).where(runs.c.experiment_id == experiment_id).order_by(runs.c.number)
        with self._reading() as connection:
            return next((found for found in connection.execute(query).scalars() if found), None)

    def model_facts(self, experiment_id: str) -> dict[str, str]:
        """The commit and the hash of the model's files that the experiment's first runs began from; empty before."""
        names = ("model_revision", "model_hash")
        query = (
            select(*(runs.c.environment[name].as_string() for name in names))
            .where(runs.c.experiment_id == experiment_id, runs.c.environment.is_not(None))
            .order_by(runs.c.number)
        )
        found: dict[str, str] = {}
        with self._reading() as connection:
            for row in connection.execute(query):
                found = {name: value for name, value in zip(names, row, strict=True) if value} | found
                if len(found) == len(names):
                    break
        return found

    def _run_value(self, run_id: str, column: ColumnElement[Any]) -> Any:
        with self._reading() as connection:
            row = connection.execute(select(column).where(runs.c.run_id == run_id)).one_or_none()
        if row is None:
            raise StoreError(no_run(run_id))
        return row[0]


def _as_written(
    facts: list[dict[str, Any]], order: Sequence[str] | None, configuration: dict[str, Any]
) -> list[dict[str, Any]]:
    """The facts that a run recorded in its order of the tasks, in the experiment's."""
    if order is None:
        return facts
    by_name = dict(zip(order, facts, strict=False))  # of a run that continues another one, the tasks so far
    return [by_name[task["name"]] for task in configuration["tasks"] if task["name"] in by_name]


def listed_ids(ids: Ids) -> list[str]:
    """Them as a list."""
    return [ids] if isinstance(ids, str) else list(ids)


def no_experiment(experiment_id: str) -> str:
    return f"There is no experiment {experiment_id!r} in this data folder; it may have been deleted."


def in_bin(what: str) -> str:
    return f"{what} is in the bin; restore it there, on the Runs page, to use it again."


def no_run(run_id: str) -> str:
    return f"There is no run {run_id!r} in this data folder; it may have been deleted."
