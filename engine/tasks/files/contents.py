"""What reading a file gives: text, a table, or the reason why neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LeftOut:
    """A row that can't be used. `where` is such as "line 12"; equal reasons are counted together."""

    where: str
    reason: str


@dataclass(frozen=True)
class ReadingOptions:
    """How a file is to be read; None recognises it."""

    encoding: str | None = None
    header: bool | None = None
    """Of a delimited table: whether its first row names the columns."""
    delimiter: str | None = None
    """Of a delimited table, one character."""
    quotes: bool | None = None
    """Of a delimited table: whether quotation marks enclose cells, or are characters like any other."""
    front_matter: bool = False
    """Of Markdown: whether the settings between two lines `---` at its top are text like the rest."""


@dataclass(frozen=True)
class TableReading:
    """One way to read a delimited table, and what it gives."""

    delimiter: str
    quotes: bool
    header: bool
    rows: int
    columns: int


@dataclass(frozen=True)
class Text:
    """A text file. `format` is "txt" or "md"; `certain` is False where the encoding is a guess."""

    name: str
    text: str
    encoding: str
    how: str
    certain: bool = True
    format: str = "txt"
    remarks: tuple[str, ...] = ()
    """Whole sentences about the reading that a user has to know, without the file's name."""


@dataclass(frozen=True)
class Table:
    """A table of strings. Its index tells where each row stands in the file, such as line numbers."""

    name: str
    frame: pd.DataFrame
    format: str
    encoding: str = ""
    """Empty where the format fixes it (Parquet)."""
    how: str = ""
    certain: bool = True
    delimiter: str = ""
    row_word: str = "line"
    """What the numbers of the index count: "line", "item" or "row"."""
    left_out: tuple[LeftOut, ...] = ()
    nested: frozenset[str] = frozenset()
    """The columns that have lists or objects as cells, which the frame holds as their JSON text."""
    side: str = ""
    """ "train" or "held_out" where the file itself says for which side of a task its rows are."""
    reading: TableReading | None = None
    """Of a delimited table, or of a workbook, whose cells nothing delimits."""
    alternatives: tuple[TableReading, ...] = ()
    """Other readings of such a table that a user may want, the likeliest first."""
    remarks: tuple[str, ...] = ()
    """Whole sentences about the reading that a user has to know, without the file's name."""


@dataclass(frozen=True)
class Unreadable:
    """A file within an archive that can't be used; the others in it can."""

    name: str
    reason: str


Content = Text | Table | Unreadable


def doubtful_encoding(content: Text | Table) -> str:
    """One sentence about an encoding that is a guess."""
    return f"{content.name}: read as {content.encoding} because of {content.how}; if wrong, set the encoding."


def explain_left_out(left_out: Iterable[LeftOut]) -> str:
    """One sentence: how many rows, why, and where the first of them stand; empty where none was left out."""
    places: dict[str, list[str]] = {}
    for one in left_out:
        places.setdefault(one.reason, []).append(one.where)
    if not places:
        return ""
    total = sum(map(len, places.values()))
    parts = [f"{reason} ({_count(where)})" for reason, where in places.items()]
    shown = "; ".join(parts[:4]) + (f"; and {len(parts) - 4} other reasons" if len(parts) > 4 else "")
    return f"{total:,} {'row was' if total == 1 else 'rows were'} left out: {shown}."


def _count(where: list[str]) -> str:
    shown = ", ".join(where[:3])
    return shown if len(where) <= 3 else f"{shown} and {len(where) - 3:,} more"
