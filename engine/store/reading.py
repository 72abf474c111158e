"""Reading from the store: data frames, one row a fact, and the experiment itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, Table, case, func, select

from engine.common.errors import StoreError
from engine.experiments.experiment import Experiment, RunSpec, experiment_from
from engine.store import schema
from engine.store.facts import FactReader, Ids, in_bin, listed_ids, no_experiment, no_run
from engine.store.queue_order import IN_ORDER
from engine.store.schema import ACTIVE, GONE, experiments, runs
from engine.store.waiting import estimate_waiting, settings_in
from engine.store.writing import effective_status

if TYPE_CHECKING:  # the list of experiments needs no frame
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    LossArrays = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
    """Stages, steps, nats per token of one term."""

_EXPERIMENT_COLUMNS = (
    "experiment_id", "name", "created_at", "model", "tasks", "runs", "finished", "status", "archived",
)  # fmt: skip
_KEPT = ("experiment_id", "name", "created_at", "model", "tasks")
_RUN_COLUMNS = (
    "run_id", "experiment_id", "experiment", "label", "strategy", "parameters", "seed", "task_order", "status",
    "reason", "phase", "stage", "stages", "step", "steps", "target_tokens", "seconds", "tokens_per_second",
    "queued_at", "started_at", "finished_at", "heartbeat_at", "position", "seconds_left", "attempt", "kept_step",
    "interruptions", "goes_next",
)  # fmt: skip
_STATE = ("run_id", "experiment_id", "strategy", "status", "step", "steps", "attempt")
_TIMES = ("created_at", "queued_at", "started_at", "finished_at", "heartbeat_at")
_FEW_STEPS, _FEW_SHARE, _MANY_STEPS = 4, 0.05, 50
"""Without an estimate a run says how long it will take once it has measured so many of its steps, or such a share."""
_TRUSTED_SHARE = 0.1
"""The share of a run's steps after which what was measured counts as much as the estimate."""
_STATUS_ORDER = ("running", "paused", "queued", "interrupted", "failed", "stopped", "finished")
"""An experiment has the first of these that one of its runs has."""


class Reader(FactReader):
    """The reading half of the store."""

    def experiments(self) -> pd.DataFrame:
        """One row per experiment that is not in the bin, the newest first; `runs` and `finished` count its runs,
        `archived` says whether it was put away."""
        return _frame(self.experiment_rows(), _EXPERIMENT_COLUMNS)

    def experiment_rows(self) -> list[dict[str, Any]]:
        """The rows of `experiments` as plain data; `created_at` in seconds since 1970."""
        described = [experiments.c[name] for name in (*_KEPT, "archived_at")]
        with self._reading() as connection:
            here = experiments.c.deleted_at.is_(None)
            found = connection.execute(select(*described).where(here).order_by(experiments.c.created_at.desc())).all()
            own = connection.execute(
                select(runs.c.experiment_id, runs.c.run_id, runs.c.status, runs.c.heartbeat_at).where(
                    runs.c.deleted_at.is_(None)
                )
            ).all()
        statuses: dict[str, list[str]] = {}
        for run in own:
            statuses.setdefault(run.experiment_id, []).append(effective_status(*run[1:]))
        rows = []
        for row in found:
            mine = statuses.get(row.experiment_id, [])
            status = next((s for s in _STATUS_ORDER if s in mine), "finished")
            kept = {name: getattr(row, name) for name in _KEPT} | {"archived": row.archived_at is not None}
            rows.append(kept | {"runs": len(mine), "finished": mine.count("finished"), "status": status})
        return rows

    def runs(self, experiment_ids: Ids | None = None, run_ids: Ids | None = None) -> pd.DataFrame:
        """One row per run that is not in the bin, in the order of their experiments and numbers.

        `task_order` holds the names of the tasks in the order of training, None where the experiment does not vary it.
        `status` is what is true now. `position` counts the waiting runs from 1, over all experiments.
        `seconds_left` begins with the estimate and goes over to the measured pace; that of waiting runs is their
        estimate, measured by what their finished likes took of theirs, or what these took where there is none.
        """
        query = (
            select(runs, experiments.c.name.label("experiment"))
            .join_from(runs, experiments)
            .where(runs.c.deleted_at.is_(None))
            .order_by(experiments.c.created_at, runs.c.experiment_id, runs.c.number)
        )
        if experiment_ids is not None:
            query = query.where(runs.c.experiment_id.in_(listed_ids(experiment_ids)))
        if run_ids is not None:
            query = query.where(runs.c.run_id.in_(listed_ids(run_ids)))
        queue = select(runs.c.run_id).where(runs.c.status == "queued").order_by(*IN_ORDER)
        with self._reading() as connection:
            found = connection.execute(query).all()
            positions = {run_id: place for place, run_id in enumerate(connection.execute(queue).scalars(), start=1)}
            rows = [_run_row(row, positions) for row in found]
            going_on = {row["experiment_id"] for row in rows if row["status"] in (*ACTIVE, "queued")}
            described = select(experiments.c.experiment_id, experiments.c.configuration).where(
                experiments.c.experiment_id.in_(going_on)
            )
            settings = {row.experiment_id: settings_in(row.configuration) for row in connection.execute(described)}
        estimate_waiting([row for row in rows if row["experiment_id"] in settings], settings)
        frame = _frame(rows, _RUN_COLUMNS)
        frame["position"] = frame["position"].astype("Int64")
        return frame

    def run_state(self, run_id: str) -> dict[str, Any] | None:
        """What decides how the points of a run are shown: some columns of its row in `runs`, read in a tenth of the
        time. None where there is no such run, or it or its experiment is in the bin."""
        columns = [runs.c[name] for name in (*_STATE, "heartbeat_at")]
        here = runs.c.deleted_at.is_(None), experiments.c.deleted_at.is_(None)
        query = select(*columns).join_from(runs, experiments).where(runs.c.run_id == run_id, *here)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        status = effective_status(row.run_id, row.status, row.heartbeat_at)
        return {name: getattr(row, name) for name in _STATE} | {"status": status}

    def losses(self, run_ids: Ids, after_step: int = 0) -> pd.DataFrame:
        """Training losses by term, long: one row per run, step and term ("new", "replay", "ewc pull", "total").

        A live page asks with the last step it has. Steps of a stage that is done again after an interruption are
        replaced; the run's `attempt` tells.
        """
        columns = ("run_id", "stage", "step", "term", "nats_per_token")
        table = schema.losses
        query = (
            _of_runs(table, run_ids)
            .where(table.c.step > after_step)
            .order_by(table.c.run_id, table.c.step, table.c.term)
        )
        return self._rows(query.with_only_columns(*(table.c[name] for name in columns)), columns)

    def loss_arrays(self, run_id: str, after_step: int = 0) -> dict[str, LossArrays]:
        """The losses of one run by term, as arrays in the order of steps: quick for hundreds of thousands."""
        import numpy as np

        kinds = np.dtype([("stage", np.int64), ("step", np.int64), ("nats_per_token", np.float64)])
        table = schema.losses
        newer = (table.c.run_id == run_id) & (table.c.step > after_step)
        columns = select(table.c.stage, table.c.step, table.c.nats_per_token).where(newer).order_by(table.c.step)
        found = {}
        with self._reading() as connection:
            for term in connection.execute(select(table.c.term).where(newer).distinct()).scalars().all():
                cursor = connection.execute(columns.where(table.c.term == term)).cursor
                line = np.fromiter(iter(cursor.fetchone, None), kinds)  # no Row for each of what may be many
                found[term] = (line["stage"], line["step"], line["nats_per_token"])
        return found

    def steps(self, run_ids: Ids, after_step: int = 0) -> pd.DataFrame:
        """One row per run and step: target tokens, seconds, learning rate, gradient norm before clipping."""
        table = schema.steps
        query = _of_runs(table, run_ids).where(table.c.step > after_step).order_by(table.c.run_id, table.c.step)
        return self._rows(query, [column.name for column in table.columns])

    def clipped_steps(
        self, run_ids: Ids, limit: float, after_step: int = 0, until_step: int | None = None
    ) -> pd.DataFrame:
        """One row per run and stage: its `steps`, how many of them had a gradient longer than `limit` (`clipped`), and
        `kept`, the sum of min(1, limit/norm) over them."""
        table = schema.steps
        norm, is_longer = table.c.gradient_norm, table.c.gradient_norm > limit
        sums = (
            func.count().label("steps"),
            func.sum(case((is_longer, 1), else_=0)).label("clipped"),
            func.sum(case((is_longer, limit / norm), else_=1.0)).label("kept"),
        )
        query = select(table.c.run_id, table.c.stage, *sums).where(
            table.c.run_id.in_(listed_ids(run_ids)), norm.is_not(None), table.c.step > after_step
        )
        if until_step is not None:
            query = query.where(table.c.step <= until_step)
        query = query.group_by(table.c.run_id, table.c.stage).order_by(table.c.run_id, table.c.stage)
        return self._rows(query, ("run_id", "stage", "steps", "clipped", "kept"))

    def stages(self, run_ids: Ids) -> pd.DataFrame:
        """One row per run and begun stage. `last_step` is the planned one until the stage is finished; `checkpoint`
        is an absolute path, for an unfinished stage that of a stop, or None; `remarks` are the strategy's sentences;
        `new_tokens` are those of the `target_tokens` that are the tasks' own, NaN in runs of earlier versions."""
        import pandas as pd

        table = schema.stages
        columns = ("run_id", "stage", "task", "first_step", "last_step", "steps", "seconds", "target_tokens",
                   "checkpoint", "finished", "remarks", "new_tokens")  # fmt: skip
        query = _of_runs(table, run_ids).order_by(table.c.run_id, table.c.stage)
        frame = self._rows(query.with_only_columns(*(table.c[name] for name in columns)), columns)
        frame["checkpoint"] = pd.Series(
            [str(self.folder / kept) if isinstance(kept, str) else None for kept in frame["checkpoint"]],
            index=frame.index,
            dtype=object,
        )
        frame["remarks"] = pd.Series([found or [] for found in frame["remarks"]], index=frame.index, dtype=object)
        return frame

    def attempt(self, run_id: str) -> int:
        """The number of times that the run was started."""
        return int(self._run_value(run_id, runs.c.attempt))

    def experiment(self, experiment_id: str) -> Experiment:
        """The experiment as configured. Raises StoreError when there is none of this id, or it is in the bin."""
        columns = (experiments.c.configuration, experiments.c.name, experiments.c.deleted_at)
        query = select(*columns).where(experiments.c.experiment_id == experiment_id)
        with self._reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise StoreError(no_experiment(experiment_id))
        if row.deleted_at is not None:
            raise StoreError(in_bin(f"Experiment {row.name!r}"))
        return experiment_from(row.configuration | {"name": row.name}, f"experiment {row.name!r}")

    def joined_as_before(self, experiment_id: str) -> bool:
        """Whether the experiment was made before it could be said how pairs are joined."""
        query = select(experiments.c.joined_as_before).where(experiments.c.experiment_id == experiment_id)
        with self._reading() as connection:
            return bool(connection.execute(query).scalar())

    def run_spec(self, run_id: str) -> tuple[str, RunSpec]:
        """A run's experiment id and what it shall do. Raises StoreError when there is none of this id, or it is in the
        bin."""
        names = ("experiment_id", "strategy", "parameters", "seed", "label", "task_order", "deleted_at")
        columns = [runs.c[name] for name in names]
        with self._reading() as connection:
            row = connection.execute(select(*columns).where(runs.c.run_id == run_id)).one_or_none()
        if row is None:
            raise StoreError(no_run(run_id))
        if row.deleted_at is not None:
            raise StoreError(in_bin(f"Run {row.label!r} with seed {row.seed}"))
        spec = RunSpec(
            strategy=row.strategy, parameters=row.parameters, seed=row.seed, label=row.label, order=row.task_order
        )
        return row.experiment_id, spec

    def finished_stages(self, run_id: str) -> int:
        """The last finished stage that still has its checkpoint: where the run can go on; 0 for the beginning."""
        of = schema.stages.c
        with self._reading() as connection:
            found = connection.execute(select(of.stage, of.checkpoint).where(of.run_id == run_id, of.finished)).all()
        return max((row.stage for row in found if self._is_there(row.checkpoint)), default=0)

    def _is_there(self, checkpoint: Any) -> bool:
        return isinstance(checkpoint, str) and (self.folder / checkpoint).is_dir()

    def _rows(self, query: Select[Any], columns: Iterable[str]) -> pd.DataFrame:
        import pandas as pd

        with self._reading() as connection:
            return pd.DataFrame([tuple(row) for row in connection.execute(query)], columns=list(columns))


def _run_row(row: Row[Any], positions: dict[str, int]) -> dict[str, Any]:
    values = dict(row._mapping)
    values["status"] = effective_status(row.run_id, row.status, row.heartbeat_at)
    values["task_order"] = None if row.task_order is None else tuple(row.task_order)
    if values["status"] != row.status:
        values |= {"reason": GONE, "phase": ""}
    running = values["status"] in ACTIVE
    values["seconds_left"] = _seconds_left(row) if running else math.nan
    values["position"] = positions.get(row.run_id)
    return values


def _seconds_left(row: Row[Any]) -> float:
    """Estimate the time left by the pace that was measured and the estimate before the start: the first steps, which a
    cold machine or an evaluation makes slow, count little against the estimate, later ones more and more. NaN where
    neither says much.
    """
    measured, steps = row.steps_measured, max(1, row.steps)
    spent = measured * row.seconds_per_step if row.seconds_per_step else 0.0
    by_pace = max(0, row.steps - row.step) * row.seconds_per_step if row.seconds_per_step else math.nan
    if row.expected_seconds is None:
        return by_pace if measured >= max(_FEW_STEPS, _FEW_SHARE * steps) or measured >= _MANY_STEPS else math.nan
    by_estimate = max(0.0, row.expected_seconds - spent)
    if not row.seconds_per_step:
        return by_estimate
    trust = measured / (measured + max(_FEW_STEPS, _TRUSTED_SHARE * steps))
    return trust * by_pace + (1 - trust) * by_estimate


def _of_runs(table: Table, run_ids: Ids) -> Select[Any]:
    return select(table).where(table.c.run_id.in_(listed_ids(run_ids)))


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    for name in set(columns) & set(_TIMES):
        frame[name] = pd.to_datetime(frame[name].astype(float), unit="s", utc=True)
    return frame
