"""The store as a driver of many runs uses it: what concerns all of its runs is one transaction."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from sqlalchemy import Connection, select, update

from engine.common.errors import StoreError
from engine.events import Event, StepDone
from engine.store import schema
from engine.store.recording import advance_runs, insert_steps, pace_runs, record_event
from engine.store.schema import ACTIVE, ENDED, Database, now, runs

Attempt = tuple[str, int]
"""A run's id, and which of its attempts."""
Request = Literal["pause", "resume", "stop"]
_BEAT = "UPDATE runs SET heartbeat_at = ? WHERE run_id = ? AND attempt = ? AND status IN (?, ?)"


@dataclass(frozen=True)
class Batch:
    """Events of one run, in order. `seconds_per_step` was measured over `steps_measured` steps of this attempt; over
    all so far when None."""

    run_id: str
    events: Sequence[Event]
    seconds_per_step: float | None = None
    steps_measured: int | None = None


class ProgressWriter(Database):
    """The part of the writing half that runs under way need all the time."""

    def record(
        self, run_id: str, *events: Event, seconds_per_step: float | None = None, steps_measured: int | None = None
    ) -> None:
        """Write events of one run down, in order and in one transaction, as `record_batches` does those of many."""
        [error] = self.record_batches([Batch(run_id, events, seconds_per_step, steps_measured)])
        if error is not None:
            raise error

    def record_batches(self, batches: Sequence[Batch]) -> list[Exception | None]:
        """Write the events of several runs down in one transaction; also counts as a heartbeat of each.

        Returns for each batch None, or why nothing of it was written. One that can't be written for a reason of its
        own, such as a run that was deleted, does not keep the others from it.
        """
        try:
            with self._writing() as connection:
                self._record(connection, batches)
        except StoreError as error:
            return [error] * len(batches)
        except Exception as error:
            return [error] if len(batches) == 1 else [self.record_batches([each])[0] for each in batches]
        return [None] * len(batches)

    def _record(self, connection: Connection, batches: Sequence[Batch]) -> None:
        steps: list[tuple[str, Sequence[StepDone]]] = [(each.run_id, _steps_of(each.events)) for each in batches]
        insert_steps(connection, steps)
        only_steps: list[tuple[str, Sequence[StepDone]]] = []
        for batch, own in zip(batches, steps, strict=True):
            if own[1] and len(own[1]) == len(batch.events):
                only_steps.append(own)
            else:
                self._record_in_order(connection, batch)
        advance_runs(connection, only_steps)
        pace_runs(connection, now(), ((each.run_id, each.seconds_per_step, each.steps_measured) for each in batches))

    def _record_in_order(self, connection: Connection, batch: Batch) -> None:
        """Let each event change what it changes in its turn, the run's counters included."""
        for is_step, events in groupby(batch.events, _is_step):
            if is_step:
                advance_runs(connection, [(batch.run_id, _steps_of(events))])
                continue
            for event in events:
                record_event(connection, batch.run_id, event, self.folder)

    def forget_checkpoints(self, run_id: str, but: Collection[int]) -> None:
        """Say that the checkpoints of a finished run are gone, `but` those of these stages. Raises StoreError where the
        run has not finished: it would need them."""
        table = schema.stages
        others = (table.c.run_id == run_id) & table.c.stage.not_in(but)
        with self._writing() as connection:
            status = connection.execute(select(runs.c.status).where(runs.c.run_id == run_id)).scalar_one_or_none()
            if status != "finished":
                raise StoreError(f"This run is {status or 'gone'}; only a finished one does without its checkpoints.")
            connection.execute(update(table).where(others).values(checkpoint=None))

    def beat(self, attempts: Collection[Attempt]) -> set[Attempt]:
        """Say that these attempts of runs are alive; returns those that their runs were taken from.

        A run that its attempt has just ended itself is still its own.
        """
        at = now()
        with self._writing() as connection:
            beats = [(at, *each, *ACTIVE) for each in attempts]
            if not beats or connection.exec_driver_sql(_BEAT, beats).rowcount == len(beats):
                return set()
            own = runs.c.run_id.in_([run_id for run_id, _ in attempts]), runs.c.status.in_((*ACTIVE, *ENDED))
            found = connection.execute(select(runs.c.run_id, runs.c.attempt).where(*own))
            return set(attempts) - {(run.run_id, run.attempt) for run in found}

    def take_requests(self, run_ids: Collection[str]) -> dict[str, Request]:
        """Return what users ask of these runs, once."""
        asked = select(runs.c.run_id, runs.c.request).where(runs.c.status.in_(ACTIVE), runs.c.request.is_not(None))
        with self._reading() as connection:
            found: dict[str, Request] = {
                run.run_id: run.request for run in connection.execute(asked) if run.run_id in run_ids
            }
        if found:
            with self._writing() as connection:
                for run_id, what in found.items():
                    same = update(runs).where(runs.c.run_id == run_id, runs.c.request == what)
                    connection.execute(same.values(request=None))
        return found

    def set_pause(self, run_id: str, paused: bool) -> None:
        """Say that a run that has not ended meanwhile is paused, or is running again."""
        with self._writing() as connection:
            active = update(runs).where(runs.c.run_id == run_id, runs.c.status.in_(ACTIVE))
            connection.execute(active.values(status="paused" if paused else "running", heartbeat_at=now()))


def _is_step(event: Event) -> bool:
    return isinstance(event, StepDone)


def _steps_of(events: Iterable[Event]) -> list[StepDone]:
    return [event for event in events if isinstance(event, StepDone)]
