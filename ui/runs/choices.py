"""Which rows of the table fit a visitor's search and filters, in which order: pure functions of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ui.runs import words

ORDERS = (words.NEWEST, words.BY_NAME, words.BY_LOSS, words.BY_FORGETTING, words.BY_MINUTES, words.BY_SIZE)
_BY = {
    words.BY_NAME: ("name", True),
    words.BY_LOSS: ("average", True),
    words.BY_FORGETTING: ("forgetting", True),
    words.BY_MINUTES: ("seconds", False),
    words.BY_SIZE: ("size", False),
}


@dataclass(frozen=True)
class Choices:
    """What a visitor searches for."""

    search: str = ""
    statuses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    archived: bool = False
    order: str = words.NEWEST

    @property
    def narrows(self) -> bool:
        """Whether rows may be left out."""
        return bool(self.search.strip() or self.statuses or self.tags or self.models)


def fitting(rows: pd.DataFrame, choices: Choices) -> pd.DataFrame:
    """The rows that fit, in order. `rows` has the columns that `rows_of` gives them."""
    keep = rows["archived"] == choices.archived
    for word in choices.search.casefold().split():
        keep &= rows["text"].str.contains(word, regex=False)
    if choices.statuses:
        keep &= rows["status"].isin(choices.statuses)
    if choices.models:
        keep &= rows["model"].isin(choices.models)
    for tag in choices.tags:
        keep &= pd.Series([tag in own for own in rows["tags"]], index=rows.index, dtype=bool)
    found = rows[keep]
    if choices.order not in _BY:
        return found
    column, ascending = _BY[choices.order]
    key = (lambda names: names.str.casefold()) if column == "name" else None
    return found.sort_values(column, ascending=ascending, kind="stable", na_position="last", key=key)


def text_of(*parts: str | Sequence[str]) -> str:
    """What a search looks through, of one row."""
    words = (each if isinstance(each, str) else "\n".join(each) for each in parts)
    return "\n".join(words).casefold()
