"""The log of who changed what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from engine.housekeeping.chosen import Thing
from engine.store.schema import Database, changes, now

MOST_CHANGES = 20_000
"""The oldest go once there are more."""
SERVER = "the server"
"""It empties the bin by itself."""


@dataclass(frozen=True)
class Change:
    """One entry of the log."""

    at: float
    """Seconds since 1970."""
    visitor: str
    """Who did it; "" where nobody logs in."""
    action: str
    thing: Thing


def record(store: Database, visitor: str, action: str, changed: Sequence[Thing]) -> None:
    """Note that a visitor did something to all of these."""
    if changed:
        with store.writing() as connection:
            record_in(connection, visitor, action, changed)


def record_in(connection: Connection, visitor: str, action: str, changed: Sequence[Thing]) -> None:
    """Do the same inside a transaction."""
    at = now()
    rows = [
        {"at": at, "visitor": visitor, "action": action, "kind": each.kind, "about": each.about, "name": each.name}
        for each in changed
    ]
    if rows:
        connection.execute(insert(changes), rows)
        newest = select(func.max(changes.c.change_id)).scalar_subquery()
        connection.execute(delete(changes).where(changes.c.change_id <= newest - MOST_CHANGES))


def history(store: Database, limit: int = 500, about: Collection[str] | None = None) -> list[Change]:
    """The latest changes, the newest first; those of some things alone where their ids are given."""
    query = select(changes).order_by(changes.c.change_id.desc()).limit(limit)
    if about is not None:
        query = query.where(changes.c.about.in_(about))
    with store.reading() as connection:
        return [
            Change(row.at, row.visitor, row.action, Thing(row.kind, row.about, row.name))
            for row in connection.execute(query)
        ]


def last_by(connection: Connection, action: str, about: Collection[str]) -> dict[str, str]:
    """Who last did this to each of these things."""
    query = select(changes.c.about, changes.c.visitor).where(changes.c.action == action, changes.c.about.in_(about))
    return {row.about: row.visitor for row in connection.execute(query.order_by(changes.c.change_id))}
