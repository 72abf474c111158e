"""What a page at a glance needs: a row a run without frames, and when a visitor was last here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from engine.store.curves import CurveReader
from engine.store.schema import ACTIVE, drafts, experiments, now, runs
from engine.store.writing import effective_status

GOING = (*ACTIVE, "queued")
"""The states of runs that have not ended."""
VISIT_ENDS_AFTER_SECONDS = 1800.0
"""A visitor who did nothing for so long begins another visit."""
_NOTED_EVERY_SECONDS = 60.0


@dataclass(frozen=True)
class RunOutline:
    """A run at a glance."""

    run_id: str
    experiment_id: str
    experiment: str
    label: str
    seed: int
    status: str
    """What is true now."""
    reason: str
    share: float
    """The part of its steps that is done, from 0 to 1."""
    ended_at: float | None
    """Seconds since 1970; None as long as it has not ended."""

    @property
    def is_going(self) -> bool:
        """Whether it runs, waits or is paused."""
        return self.status in GOING


class OutlineKeeper(CurveReader):
    """The part of the store that pages at a glance ask."""

    def run_outlines(self, experiment_ids: Sequence[str] | None = None) -> tuple[RunOutline, ...]:
        """All runs that are not in the bin, of experiments that are neither there nor put away; the newest experiment
        first, its runs in order."""
        query = (
            select(runs, experiments.c.name)
            .join_from(runs, experiments)
            .where(runs.c.deleted_at.is_(None), experiments.c.deleted_at.is_(None), experiments.c.archived_at.is_(None))
            .order_by(experiments.c.created_at.desc(), runs.c.experiment_id, runs.c.number)
        )
        if experiment_ids is not None:
            query = query.where(runs.c.experiment_id.in_(experiment_ids))
        columns = (
            runs.c.run_id, runs.c.experiment_id, runs.c.label, runs.c.seed, runs.c.status, runs.c.reason, runs.c.step,
            runs.c.steps, runs.c.finished_at, runs.c.heartbeat_at, experiments.c.name,
        )  # fmt: skip
        with self._reading() as connection:
            found = connection.execute(query.with_only_columns(*columns)).all()
        outlines = []
        for row in found:
            status = effective_status(row.run_id, row.status, row.heartbeat_at)
            ended_at = None if status in GOING else row.finished_at or row.heartbeat_at
            share = 1.0 if status == "finished" else row.step / row.steps if row.steps else 0.0
            outlines.append(
                RunOutline(
                    row.run_id, row.experiment_id, row.name, row.label, row.seed, status, row.reason, share, ended_at
                )
            )
        return tuple(outlines)

    def states(self, also: Collection[str] = ()) -> dict[str, str]:
        """The state of every run that has not ended, and of those named by their ids, by id."""
        columns = select(runs.c.run_id, runs.c.status, runs.c.heartbeat_at)
        wanted = columns.where(runs.c.status.in_(GOING) | runs.c.run_id.in_(also), runs.c.deleted_at.is_(None))
        with self._reading() as connection:
            found = connection.execute(wanted).all()
        return {row.run_id: effective_status(*row) for row in found}

    def last_visit(self, visitor: str) -> float | None:
        """Note that a visitor is here; gives when the visit before this one ended, None where this is the first.

        Visitors who do not log in are one, "". Raises StoreError.
        """
        at = now()
        key = (drafts.c.visitor == visitor) & (drafts.c.page == "visits")
        with self._reading() as connection:
            kept = connection.execute(select(drafts.c.content).where(key)).scalar()
        visit = dict(kept) if kept else {"seen": None, "before": None}
        seen = visit["seen"]
        if seen is None or at - seen > VISIT_ENDS_AFTER_SECONDS:
            visit["before"] = seen
        if seen is None or at - seen > _NOTED_EVERY_SECONDS:
            row = {"visitor": visitor, "page": "visits", "content": visit | {"seen": at}, "changed_at": at}
            with self._writing() as connection:
                connection.execute(insert(drafts).values(row).on_conflict_do_update(("visitor", "page"), set_=row))
        before: float | None = visit["before"]
        return before
