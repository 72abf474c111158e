"""Drafts: what a visitor has entered on a page and not yet started or kept."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert

from engine.store.schema import Database, drafts, now

_LEAST_LATER = 1e-5
"""Seconds: a clock that stands still or is put back must not make a change look as old as the one before."""


@dataclass(frozen=True)
class KeptDraft:
    """A draft as it was kept last."""

    content: dict[str, Any]
    changed_at: float
    """Seconds since 1970; every change of a draft has a later one than the change before."""


class Drafts(Database):
    """One draft for each visitor and page. The last change wins, whole: two are never mixed."""

    def draft(self, visitor: str, page: str) -> KeptDraft | None:
        """The draft of a visitor; None without one."""
        wanted = select(drafts.c.content, drafts.c.changed_at).where(_is_of(visitor, page))
        with self._reading() as connection:
            found = connection.execute(wanted).first()
        return KeptDraft(dict(found.content), found.changed_at) if found else None

    def keep_draft(self, visitor: str, page: str, content: dict[str, Any]) -> float:
        """Put a draft in the place of the one before; returns when it was changed."""
        before = select(drafts.c.changed_at).where(_is_of(visitor, page))
        with self._writing() as connection:
            changed_at = max(now(), (connection.execute(before).scalar() or 0.0) + _LEAST_LATER)
            row = {"content": content, "changed_at": changed_at}
            connection.execute(insert(drafts).values(visitor=visitor, page=page, **row).on_conflict_do_update(set_=row))
        return changed_at

    def forget_draft(self, visitor: str, page: str) -> None:
        """Delete a draft, where there is one."""
        with self._writing() as connection:
            connection.execute(delete(drafts).where(_is_of(visitor, page)))


def _is_of(visitor: str, page: str) -> Any:
    return (drafts.c.visitor == visitor) & (drafts.c.page == page)
