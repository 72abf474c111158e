"""Writing into the store: experiments, the events of runs, the requests of users."""

import secrets
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from engine.common.errors import StoreError
from engine.experiments.experiment import Experiment, to_data
from engine.experiments.kept_checkpoints import Keep
from engine.experiments.origin import Origin
from engine.store import schema
from engine.store.facts import in_bin, no_experiment
from engine.store.progress import Request
from engine.store.queue_order import IN_ORDER, QueueWriter, put_in_front
from engine.store.schema import ACTIVE, GONE, RESUMABLE, STALE_AFTER_SECONDS, experiments, now, runs

DRIVEN_RUNS = "palimpsest_driven_runs"
"""The attribute of a thread that holds the ids of the runs for which it beats."""


@dataclass(frozen=True)
class RunInPlay:
    """A run that waits, is running or is paused."""

    run_id: str
    experiment_id: str
    status: str
    """As it was written, whether there is a heartbeat or not."""
    goes_next: bool
    """Whether a user wants it to begin before all others."""
    finished_stages: int


class Writer(QueueWriter):
    """The writing half of the store."""

    def add_experiment(
        self,
        experiment: Experiment,
        expected: Mapping[str, float] | None = None,
        only: int | None = None,
        owner: str = "",
        origin: Origin | None = None,
    ) -> str:
        """Keep an experiment and queue its runs, in order, or `only` the run of that number from 0; returns its id.
        `expected` holds the seconds that runs were estimated to take, by label: their time left begins with that.
        `owner` is whose it is, "" where nobody logs in, `origin` what it was made from."""
        experiment_id = new_experiment_id()
        created_at = now()
        rows = new_runs(experiment, experiment_id, created_at, expected or {}, only)
        with self._writing() as connection:
            said = {"owner": owner} | ({"origin": origin.data} if origin is not None else {})
            connection.execute(insert(experiments), [experiment_row(experiment, experiment_id, created_at) | said])
            connection.execute(insert(runs), rows)
        return experiment_id

    def add_missing_runs(self, experiment_id: str, experiment: Experiment, only: int | None = None) -> None:
        """Queue the runs that the experiment has and the store has not, or `only` the run of that number from 0."""
        there = select(runs.c.run_id).where(runs.c.experiment_id == experiment_id)
        with self._writing() as connection:
            known = set(connection.execute(there).scalars())
            rows = new_runs(experiment, experiment_id, now(), {}, only)
            if missing := [row for row in rows if row["run_id"] not in known]:
                connection.execute(insert(runs), missing)

    def rename(self, experiment_id: str, name: str) -> None:
        """Give an experiment another name. Raises StoreError for an empty one."""
        name = name.strip()[:120]
        if not name:
            raise StoreError("An experiment needs a name; type at least one character.")
        with self._writing() as connection:
            found = connection.execute(
                update(experiments).where(experiments.c.experiment_id == experiment_id).values(name=name)
            )
            if not found.rowcount:
                raise StoreError(no_experiment(experiment_id))

    def set_kept_checkpoints(self, experiment_id: str, keep: Keep) -> None:
        """Change which checkpoints stay of the experiment's runs that are still to finish."""
        own = experiments.c.experiment_id == experiment_id
        with self._writing() as connection:
            kept = connection.execute(select(experiments.c.configuration).where(own)).scalar_one_or_none()
            if kept is None:
                raise StoreError(no_experiment(experiment_id))
            changed = {name: value for name, value in kept.items() if name != "checkpoints"}
            changed |= {} if keep == "all" else {"checkpoints": keep}
            if changed != kept:
                connection.execute(update(experiments).where(own).values(configuration=changed))

    def delete_experiment(self, experiment_id: str) -> None:
        """Remove an experiment, its records and checkpoints. Raises StoreError while one of its runs is running."""
        with self._writing() as connection:
            own = connection.execute(
                select(runs.c.run_id, runs.c.status, runs.c.heartbeat_at).where(runs.c.experiment_id == experiment_id)
            ).all()
            if any(effective_status(*run) in ACTIVE for run in own):
                raise StoreError(
                    "A run of this experiment is still running; stop it first, then delete the experiment."
                )
            connection.execute(delete(experiments).where(experiments.c.experiment_id == experiment_id))
        for run in own:
            shutil.rmtree(self.run_folder(run.run_id), ignore_errors=True)
            self.log_path(run.run_id).unlink(missing_ok=True)

    def set_status(self, run_id: str, status: str, reason: str = "") -> None:
        """Change a run's status; `reason` is one sentence for the user."""
        values: dict[str, Any] = {"status": status, "reason": reason}
        if status in ACTIVE:
            values["heartbeat_at"] = now()
        elif status != "queued":
            values |= {"finished_at": now(), "phase": "", "request": None}
        with self._writing() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**values))

    def request(self, run_id: str, what: Request) -> None:
        """Ask a run to pause, to resume or to stop; a waiting run is taken out of the queue by "stop".

        Raises StoreError when the run is neither waiting nor running.
        """
        with self._writing() as connection:
            status = connection.execute(select(runs.c.status).where(runs.c.run_id == run_id)).scalar_one_or_none()
            if status == "queued" and what == "stop":
                values = {
                    "status": "stopped",
                    "reason": "Taken out of the queue before it began.",
                    "finished_at": now(),
                }
            elif status in ACTIVE:
                values = {"request": what}
            else:
                raise StoreError(
                    f"This run is {status or 'gone'}, so it can't {what}; reload the page to see where it stands."
                )
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**values))

    def requeue(self, run_id: str) -> None:
        """Put an interrupted, stopped or failed run before the waiting runs of its experiment, to go on from the last
        point that it kept.

        Raises StoreError for a run in any other state, and for one in the bin.
        """
        with self._writing() as connection:
            run = connection.execute(
                select(runs.c.run_id, runs.c.status, runs.c.heartbeat_at, runs.c.deleted_at).where(
                    runs.c.run_id == run_id
                )
            ).one_or_none()
            status = effective_status(*run[:3]) if run else "gone"
            if run is not None and run.deleted_at is not None:
                raise StoreError(in_bin("This run"))
            if status not in RESUMABLE:
                raise StoreError(f"This run is {status}; only interrupted, stopped and failed runs can be resumed.")
            put_in_front(connection, run_id)
            waits = {"status": "queued", "reason": "", "request": None, "phase": "", "finished_at": None}
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(**waits))

    def requeue_lost(self, run_id: str, reason: str) -> None:
        """Put a run that was cut short elsewhere back to its old place in the queue, and keep the reason with it."""
        with self._writing() as connection:
            kept = connection.execute(select(runs.c.interruptions).where(runs.c.run_id == run_id)).scalar_one_or_none()
            values = {"status": "queued", "reason": reason, "request": None, "phase": "", "finished_at": None}
            lost = update(runs).where(runs.c.run_id == run_id, runs.c.status.in_(ACTIVE))
            connection.execute(lost.values(interruptions=[*(kept or []), reason], **values))

    def has_waiting(self) -> bool:
        """Whether a run is in the queue. Takes no lock, so it can be asked several times a second."""
        with self._reading() as connection:
            return connection.execute(_first_waiting()).first() is not None

    def runs_in_play(self, experiment_id: str | None = None, only: int | None = None) -> list[RunInPlay]:
        """The runs that wait, in the order of the queue, and those that are running or paused; of one experiment where
        it is given, and the one of the number `only`. Takes no lock."""
        chosen: list[ColumnElement[bool]] = [runs.c.status.in_(("queued", *ACTIVE))]
        if experiment_id is not None:
            chosen.append(runs.c.experiment_id == experiment_id)
        if only is not None:
            chosen.append(runs.c.number == only)
        done = schema.stages
        last = select(done.c.run_id, func.max(done.c.stage).label("finished")).group_by(done.c.run_id)
        last = last.where(done.c.finished, done.c.run_id.in_(select(runs.c.run_id).where(*chosen)))
        columns = (runs.c.run_id, runs.c.experiment_id, runs.c.status, runs.c.goes_next)
        found = select(*columns).where(*chosen).order_by(*IN_ORDER)
        with self._reading() as connection:
            finished = {row.run_id: row.finished for row in connection.execute(last)}
            return [RunInPlay(*row, finished.get(row.run_id, 0)) for row in connection.execute(found)]

    def claim_next(self, experiment_id: str | None = None, only: int | None = None) -> str | None:
        """Mark the first run of the queue as running and return its id; None when nothing waits. It is one of the
        experiment's where that is named, and the one of the number `only`."""
        waiting = _first_waiting()
        if experiment_id is not None:
            waiting = waiting.where(runs.c.experiment_id == experiment_id)
        if only is not None:
            waiting = waiting.where(runs.c.number == only)
        with self._writing() as connection:
            run_id: str | None = connection.execute(waiting).scalar_one_or_none()
            if run_id is not None:
                _claim(connection, run_id)
        return run_id

    def claim(self, run_id: str) -> bool:
        """Mark a run as running; False when it does not wait any more."""
        with self._writing() as connection:
            return _claim(connection, run_id)

    def mark_interrupted(self, reason: str = GONE) -> list[str]:
        """Set runs that say they run to interrupted; returns their ids in the order in which they were queued. Only for
        where no other process runs any."""
        active = runs.c.status.in_(ACTIVE)
        with self._writing() as connection:
            found = list(connection.execute(select(runs.c.run_id).where(active).order_by(*IN_ORDER)).scalars())
            values = {"status": "interrupted", "reason": reason, "phase": "", "request": None}
            connection.execute(update(runs).where(active).values(finished_at=runs.c.heartbeat_at, **values))
        return found

    def drop_after_stage(self, run_id: str, stage: int) -> None:
        """Remove what was recorded after stage `stage` was finished; 0 removes everything."""
        with self._writing() as connection:
            drop_after_stage(connection, run_id, stage)


def run_id_of(experiment_id: str, number: int) -> str:
    """The id of an experiment's run by its number from 0."""
    return f"{experiment_id}-{number:03d}"


def new_experiment_id() -> str:
    """An id that no experiment has."""
    return secrets.token_hex(4)


def experiment_row(experiment: Experiment, experiment_id: str, created_at: float) -> dict[str, Any]:
    """The row of a new experiment."""
    return {
        "experiment_id": experiment_id, "name": experiment.name, "created_at": created_at, "model": experiment.model,
        "tasks": [task.label for task in experiment.tasks], "configuration": to_data(experiment),
    }  # fmt: skip


def new_runs(
    experiment: Experiment, experiment_id: str, queued_at: float, expected: Mapping[str, float], only: int | None
) -> list[dict[str, Any]]:
    """The rows of an experiment's runs before they begin, or of `only` one."""
    return [
        {
            "run_id": run_id_of(experiment_id, number), "experiment_id": experiment_id, "number": number,
            "label": run.label, "strategy": run.strategy, "parameters": run.parameters, "seed": run.seed,
            "task_order": run.order,
            "status": "queued", "stages": len(experiment.tasks), "queued_at": queued_at,
            "expected_seconds": expected.get(run.label),
        }
        for number, run in enumerate(experiment.runs())
        if only in (None, number)
    ]  # fmt: skip


def _first_waiting() -> Select[Any]:
    return select(runs.c.run_id).where(runs.c.status == "queued").order_by(*IN_ORDER).limit(1)


def _claim(connection: Connection, run_id: str) -> bool:
    waiting = update(runs).where(runs.c.run_id == run_id, runs.c.status == "queued")
    claimed = connection.execute(
        waiting.values(
            status="running", reason="", request=None, phase="starting", heartbeat_at=now(), goes_next=False,
            started_at=func.coalesce(runs.c.started_at, now()), attempt=runs.c.attempt + 1,
        )
    )  # fmt: skip
    return claimed.rowcount == 1


def drop_after_stage(connection: Connection, run_id: str, stage: int) -> None:
    """Do the same as `Writer.drop_after_stage` inside a transaction; the run's counters go back as well."""
    for table in schema.OF_STAGES:
        later = table.c.stage > stage if stage else table.c.stage >= 0
        connection.execute(delete(table).where(table.c.run_id == run_id, later))
    done = schema.stages
    tokens = select(func.sum(schema.steps.c.target_tokens)).where(schema.steps.c.run_id == run_id)
    kept = connection.execute(
        select(func.max(done.c.last_step), func.sum(done.c.seconds), tokens.scalar_subquery()).where(
            done.c.run_id == run_id
        )
    ).one()
    connection.execute(
        update(runs).where(runs.c.run_id == run_id).values(
            stage=stage, step=kept[0] or 0, seconds=kept[1] or 0.0, target_tokens=kept[2] or 0, seconds_per_step=None,
            steps_measured=0,
        )
    )  # fmt: skip


def effective_status(run_id: str, status: str, heartbeat_at: float | None) -> str:
    """The status as it is: what says that it runs without a recent heartbeat is interrupted, unless this process drives
    it and could not write one."""
    # A heartbeat from the future was before the clock was set back.
    alive = heartbeat_at is not None and abs(now() - heartbeat_at) <= STALE_AFTER_SECONDS
    return "interrupted" if status in ACTIVE and not alive and not _is_driven_here(run_id) else status


def _is_driven_here(run_id: str) -> bool:
    """Whether a thread of this process says that it beats for the run. Threads are asked since modules may be loaded
    anew, and would forget."""
    return any(run_id in getattr(thread, DRIVEN_RUNS, ()) for thread in threading.enumerate())
