"""The order in which waiting runs begin, and how users change it.

The order is that of `runs.queued_at`, and within one time that of the runs' numbers. A new order gives the waiting runs
the times that they have, sorted, each later than the one before: what is queued afterwards still comes last, and no
other run is touched.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from engine.common.errors import StoreError
from engine.store.progress import ProgressWriter
from engine.store.schema import now, runs

IN_ORDER = (runs.c.queued_at, runs.c.number, runs.c.run_id)
"""The order of the queue, as a query sorts by it."""
_APART_SECONDS = 1e-6
"""Times in the store tell apart what is a quarter of a microsecond apart."""


class QueueWriter(ProgressWriter):
    """The part of the store that puts waiting runs into another order."""

    def run_next(self, run_id: str) -> None:
        """Put a waiting run before all others; none begins before it, also while it waits for a stage that a running
        run trains. Raises StoreError where it does not wait."""
        with self._writing() as connection:
            order = _waiting(connection)
            _check_waits(run_id, order)
            _set_order(connection, [run_id, *(each for each in order if each != run_id)])
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(goes_next=True))

    def move_in_queue(self, run_id: str, by: int) -> None:
        """Let a waiting run begin `by` places later, or earlier where that is negative, at most at an end of the queue.
        Raises StoreError where it does not wait."""
        with self._writing() as connection:
            order = _waiting(connection)
            _check_waits(run_id, order)
            place = order.index(run_id)
            order.insert(max(0, place + by), order.pop(place))
            _set_order(connection, order)
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(goes_next=False))


def put_in_front(connection: Connection, run_id: str) -> None:
    """Give a run that is about to wait its place: before the waiting runs of its experiment, or at the end of the queue
    where there are none."""
    own = select(runs.c.experiment_id).where(runs.c.run_id == run_id).scalar_subquery()
    of_experiment = set(connection.execute(select(runs.c.run_id).where(runs.c.experiment_id == own)).scalars())
    order = [each for each in _waiting(connection) if each != run_id]
    connection.execute(update(runs).where(runs.c.run_id == run_id).values(queued_at=now(), goes_next=False))
    place = next((place for place, each in enumerate(order) if each in of_experiment), len(order))
    _set_order(connection, [*order[:place], run_id, *order[place:]])


def _waiting(connection: Connection) -> list[str]:
    """The ids of the waiting runs in the order of the queue."""
    waiting = select(runs.c.run_id).where(runs.c.status == "queued").order_by(*IN_ORDER)
    return list(connection.execute(waiting).scalars())


def _check_waits(run_id: str, waiting: Sequence[str]) -> None:
    if run_id not in waiting:
        raise StoreError("This run is no longer waiting, so it has no place in the queue; reload the page.")


def _set_order(connection: Connection, order: Sequence[str]) -> None:
    """Write times that put these runs into this order."""
    query = select(runs.c.run_id, runs.c.queued_at).where(runs.c.run_id.in_(order))
    known = {row.run_id: row.queued_at or 0.0 for row in connection.execute(query)}
    changed, last = [], float("-inf")
    for run_id, queued_at in zip(order, sorted(known.values()), strict=True):
        last = max(queued_at, last + _APART_SECONDS)
        if last != known[run_id]:
            changed.append({"of": run_id, "at": last})
    if changed:
        connection.execute(
            update(runs).where(runs.c.run_id == bindparam("of")).values(queued_at=bindparam("at")), changed
        )
