"""What people say of experiments and runs: tags, notes, names, whose they are, and whether they are put away."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from engine.common.errors import StoreError
from engine.common.quoting import clean_name
from engine.housekeeping.chosen import Chosen, Thing, things
from engine.store.schema import Database, experiments, now, runs

LONGEST_TAG, MOST_TAGS, LONGEST_NOTES, LONGEST_NAME = 40, 20, 20_000, 120
_TABLES = ((experiments, "experiment_id"), (runs, "run_id"))


def change_tags(store: Database, chosen: Chosen, add: Iterable[str] = (), remove: Collection[str] = ()) -> None:
    """Give all of them more tags, behind those that they have, and take others away. Raises StoreError for a tag that
    is empty or too long, and for too many."""
    wanted = [_tag(each) for each in add]
    with store.writing() as connection:
        things(connection, chosen)
        for (table, key), ids in zip(_TABLES, (chosen.experiments, chosen.runs), strict=True):
            query = select(table.c[key], table.c.tags).where(table.c[key].in_(ids))
            rows = [{"own": own, "new": _joined(tags or [], wanted, remove)} for own, tags in connection.execute(query)]
            if rows:
                changed = update(table).where(table.c[key] == bindparam("own")).values(tags=bindparam("new"))
                connection.execute(changed, rows)


def set_notes(store: Database, chosen: Chosen, notes: str) -> None:
    """Write the same notes to all of them, in place of what was there. Raises StoreError where they are too long."""
    if len(notes) > LONGEST_NOTES:
        raise StoreError(f"Notes hold {LONGEST_NOTES:,} characters at most; these are {len(notes):,}.")
    _set(store, chosen, {"notes": notes.strip()})


def set_title(store: Database, run_id: str, title: str) -> None:
    """Give a run a name of its own; an empty one gives it back its strategy's."""
    _set(store, Chosen(runs=(run_id,)), {"title": clean_name(title)[:LONGEST_NAME]})


def set_archived(store: Database, chosen: Chosen, archived: bool) -> None:
    """Put all of them away, out of the lists, or take them back."""
    _set(store, chosen, {"archived_at": now() if archived else None})


@dataclass(frozen=True)
class Described:
    """What was said of an experiment or a run."""

    thing: Thing
    title: str
    """The name that can be changed: an experiment's, or the one that a user gave a run."""
    tags: tuple[str, ...]
    notes: str
    archived: bool


def described(store: Database, chosen: Chosen) -> list[Described]:
    """What was said of all that is chosen. Raises StoreError where one of them is gone."""
    found = []
    with store.reading() as connection:
        names = {each.about: each for each in things(connection, chosen)}
        for (table, key), title, ids in zip(_TABLES, ("name", "title"), (chosen.experiments, chosen.runs), strict=True):
            columns = (table.c[key], table.c[title], table.c.tags, table.c.notes, table.c.archived_at)
            for own, name, tags, notes, archived_at in connection.execute(
                select(*columns).where(table.c[key].in_(ids))
            ):
                found.append(Described(names[own], name, tuple(tags or ()), notes, archived_at is not None))
    return found


def known_tags(store: Database) -> list[str]:
    """Every tag that was given, in the order of the alphabet."""
    with store.reading() as connection:
        lists = [
            tags
            for table, _ in _TABLES
            for tags in connection.execute(select(table.c.tags).where(table.c.deleted_at.is_(None))).scalars()
        ]
    return sorted({tag for tags in lists for tag in tags or ()}, key=str.casefold)


def named(store: Database, chosen: Chosen) -> list[Thing]:
    """What is chosen, by its names. Raises StoreError where one of them is gone."""
    with store.reading() as connection:
        return things(connection, chosen)


def _set(store: Database, chosen: Chosen, values: dict[str, Any]) -> None:
    with store.writing() as connection:
        things(connection, chosen)
        for (table, key), ids in zip(_TABLES, (chosen.experiments, chosen.runs), strict=True):
            if ids:
                connection.execute(update(table).where(table.c[key].in_(ids)).values(**values))


def _tag(text: str) -> str:
    tag = clean_name(text)
    if not tag:
        raise StoreError("A tag needs at least one character.")
    if len(tag) > LONGEST_TAG:
        raise StoreError(f"A tag holds {LONGEST_TAG} characters at most; '{tag[:LONGEST_TAG]}…' has {len(tag)}.")
    return tag


def _joined(tags: Collection[str], add: Collection[str], remove: Collection[str]) -> list[str]:
    found = [tag for tag in dict.fromkeys((*tags, *add)) if tag not in remove]
    if len(found) > MOST_TAGS:
        raise StoreError(f"One experiment or run holds {MOST_TAGS} tags at most; take some away first.")
    return found
