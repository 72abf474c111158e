"""Rows of cells, as delimited text and spreadsheets give them, to a table: its header, its columns, its titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.common.errors import TaskError
from engine.common.quoting import listed, shortened
from engine.tasks.files.contents import LeftOut
from engine.tasks.files.limits import check_columns
from engine.tasks.tables.cells import unique_names
from engine.tasks.tables.headers import is_known, judge_header

NumberedRows = list[tuple[int, list[str]]]
"""Cells with the line on which the row begins."""
_TITLES = 10
_REGULAR = 0.8
_SAMPLE = 200


@dataclass(frozen=True)
class Grid:
    """A table whose rows all have as many cells as there are columns."""

    columns: list[str]
    rows: NumberedRows
    has_header: bool
    left_out: tuple[LeftOut, ...]
    remarks: tuple[str, ...]


def lay_out(name: str, rows: NumberedRows, header: bool | None, row_word: str = "line") -> Grid:
    """Find the header (where `header` does not say whether there is one) and the columns. Raises TaskError."""
    check_columns(name, max(len(cells) for _, cells in rows[: _TITLES + 1]))
    remarks: list[str] = []
    titles = 0 if header is False else count_titles([cells for _, cells in rows[:_SAMPLE]])
    if titles:
        remarks.append(_titles_remark(rows[:titles], row_word))
        rows = rows[titles:]
    has_header = header
    if has_header is None:
        verdict = judge_header(rows[0][1], [cells for _, cells in rows[1 : _SAMPLE + 1]])
        has_header = verdict.is_header
        if not verdict.is_certain:
            remarks.append(_header_remark(rows[0][1], has_header))
    first = [cell.strip() for cell in rows[0][1]] if has_header else []
    body = rows[1:] if has_header else rows
    names, remark = _names(first, body, has_header)
    kept = [i for i, label in enumerate(names) if label or _has_cell(body, i)]
    width = kept[-1] + 1 if kept else 0
    if remark and width > len(first):
        remarks.append(remark)
    columns = unique_names([names[i] or f"column {place}" for place, i in enumerate(kept, start=1)])
    check_columns(name, len(columns))
    good, left_out = _regular(body, width, kept, has_header, row_word)
    if has_header and not body:
        raise TaskError(f"{name}, line 1: there is a header ({listed(columns)}) but no row below it; add rows.")
    return Grid(columns, good, has_header, tuple(left_out), tuple(remarks))


def count_titles(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows stand above the table rather than in it."""
    usual = usual_width(rows)
    if usual < 2:
        return 0
    for place in range(1, min(_TITLES + 1, len(rows) - 1)):
        above = [_filled(row) for row in rows[:place]]
        if max(above) >= usual:
            return 0
        head, body = rows[place], rows[place + 1 :]
        if len(head) != usual or sum(len(row) == usual for row in body) < _REGULAR * len(body):
            continue
        verdict = judge_header(head, body)
        names_all = verdict.is_header and verdict.is_certain and all(cell.strip() for cell in head[1:])
        alone = max(above) <= 1 and not any(is_known(cell) for row in rows[:place] for cell in row)
        if names_all if not alone else (names_all or (usual >= 3 and _filled(head) >= 3)):
            return place
    return 0


def usual_width(rows: Sequence[Sequence[str]]) -> int:
    """The number of cells that most rows have."""
    return Counter(map(len, rows)).most_common(1)[0][0]


def _filled(row: Sequence[str]) -> int:
    """Cells up to the last that is not empty."""
    return max((i for i, cell in enumerate(row, start=1) if cell.strip()), default=0)


def _names(first: list[str], body: NumberedRows, has_header: bool) -> tuple[list[str], str]:
    """A name for each column, empty for those without one; a remark if the header names fewer than the rows have."""
    usual = usual_width([cells for _, cells in body]) if body else len(first)
    if not has_header:
        return [""] * usual, ""
    named = _filled(first)
    same = sum(len(cells) == len(first) for _, cells in body)
    if len(first) == usual or same * 2 >= len(body):
        return first, ""
    regular = sum(len(cells) == usual for _, cells in body)
    if usual < named or regular < _REGULAR * len(body):
        return first[:named], ""
    if usual == named + 1 and [cells[0].strip() for _, cells in body if len(cells) == usual] in _counted(regular):
        return ["", *first[:named]], ""  # an index that the header leaves out, as R writes it
    names = first[:usual] + [""] * (usual - len(first))
    return names, (f"Its rows have more cells than the first row has names ({named}), so the columns beyond have none.")


def _has_cell(body: NumberedRows, place: int) -> bool:
    return any(len(cells) > place and cells[place].strip() for _, cells in body)


def _counted(many: int) -> tuple[list[str], list[str]]:
    return [str(i) for i in range(many)], [str(i) for i in range(1, many + 1)]


def _regular(
    body: NumberedRows, width: int, kept: list[int], has_header: bool, row_word: str
) -> tuple[NumberedRows, list[LeftOut]]:
    good: NumberedRows = []
    left_out: list[LeftOut] = []
    whole = kept == list(range(width))
    where = "the header has" if has_header else "most rows have"
    for row in body:
        number, cells = row
        if len(cells) == width and whole:
            good.append(row)
        elif len(cells) < width or any(map(str.strip, cells[width:])):
            left_out.append(LeftOut(f"{row_word} {number}", f"{plural(len(cells), 'cell')} where {where} {width}"))
        else:
            good.append((number, cells[:width] if whole else [cells[i] for i in kept]))
    return good, left_out


def _titles_remark(rows: NumberedRows, row_word: str) -> str:
    said = [" ".join(cell.strip() for cell in cells if cell.strip()) for _, cells in rows]
    quoted = "; ".join(f'"{shortened(" ".join(text.split()))}"' for text in said[:3])
    if len(rows) == 1:
        return f"The first {row_word} stands above the table and was left out: {quoted}."
    return f"The first {len(rows)} {row_word}s stand above the table and were left out: {quoted}."


def _header_remark(first: Sequence[str], has_header: bool) -> str:
    shown = listed([" ".join(cell.split()) for cell in first if cell.strip()], 5)
    if has_header:
        return (
            f"The first row ({shown}) was taken for the names of the columns; if it is a row, choose no header "
            "(header: false)."
        )
    return f"The first row ({shown}) was taken for a row; if it names the columns, choose a header (header: true)."


def plural(count: int, word: str) -> str:
    """A number with its noun."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
