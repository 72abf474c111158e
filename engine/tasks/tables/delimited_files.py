"""Delimited text to tables, every cell as a string: the reading that fits, and the others that a user may want."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.common.errors import TaskError
from engine.tasks.files.contents import LeftOut, ReadingOptions, Table, TableReading
from engine.tasks.files.encodings import Decoded
from engine.tasks.files.limits import check_pieces
from engine.tasks.tables import delimited
from engine.tasks.tables.delimited import NO_DELIMITER, Parsed
from engine.tasks.tables.grids import Grid, lay_out
from engine.tasks.tables.nested import find_nested

_ALTERNATIVES = 4
_QUICK = 4_000_000
"""Characters up to which other readings are tried in full."""
_NO_TEXT = "".join(delimited.DELIMITERS) + '" \n'
_MISSING = frozenset({"NaN", "nan"})


@dataclass(frozen=True)
class _Result:
    parsed: Parsed
    grid: Grid
    reading: TableReading


def read_csv(name: str, decoded: Decoded, format: str, options: ReadingOptions) -> Table:
    """Read delimited text; what `options` leave open is recognised. Raises TaskError."""
    import pandas as pd

    separator, start = delimited.separator_line(decoded.text)
    text = decoded.text[start:]
    if not text.strip(_NO_TEXT):
        check_pieces(name, len(text))
        raise TaskError(f"{name}, line 1: the table has no cell with text; add rows.")
    found = delimited.delimiters(text, separator or ("\t" if format == "tsv" else None))
    chosen = options.delimiter if options.delimiter is not None else (found[0] if found else "")
    result = _result(name, text, chosen, options.quotes, options.header)
    grid, left_out = result.grid, [*result.grid.left_out]
    if result.parsed.unclosed is not None:
        left_out.append(LeftOut(f"from line {result.parsed.unclosed}", "a quotation mark opens and never closes"))
    if not grid.rows:
        first = left_out[0]
        raise TaskError(f"{name}, {first.where}: no row can be used, this one because: {first.reason}; mend the table.")
    shift = 1 if start else 0
    alternatives = _alternatives(name, text, result, found)
    for _, cells in grid.rows:
        if not _MISSING.isdisjoint(cells):
            cells[:] = ["" if cell in _MISSING else cell for cell in cells]
    frame = pd.DataFrame(
        [cells for _, cells in grid.rows],
        columns=grid.columns,
        index=[line + shift for line, _ in grid.rows],
        dtype=str,
    )
    frame, nested = find_nested(frame)
    return Table(
        name, frame, format, decoded.encoding, decoded.how, decoded.certain, chosen,
        left_out=tuple(left_out), nested=nested, reading=result.reading,
        alternatives=alternatives,
        remarks=(*decoded.remarks, *result.parsed.remarks, *grid.remarks),
    )  # fmt: skip


def looks_like_table(text: str) -> bool:
    """Whether the rows of a text have tabs between as many cells, two or more, as Excel's "Unicode Text" has."""
    widths = delimited.widths_of_head(text, "\t")
    return len(widths) > 1 and len(set(widths)) == 1 and widths[0] > 1


def _result(name: str, text: str, delimiter: str, quotes: bool | None, header: bool | None) -> _Result:
    mark = delimiter or NO_DELIMITER
    check_pieces(name, text.count(mark) + text.count("\n"))
    if mark in '"\n':
        raise TaskError(f"{name}: a quotation mark or a line end can't stand between cells; give another delimiter.")
    parsed = delimited.parse(text, mark, quotes)
    if not parsed.rows:
        raise TaskError(f"{name}, line {parsed.unclosed}: a quotation mark opens and never closes; close it.")
    return _laid_out(name, parsed, delimiter, header)


def _laid_out(name: str, parsed: Parsed, delimiter: str, header: bool | None) -> _Result:
    try:
        grid = lay_out(name, parsed.rows, header)
    except TaskError:
        if parsed.unclosed is None:
            raise
        grid = lay_out(name, parsed.rows, False)
        grid = replace(grid, rows=[])
    reading = TableReading(delimiter, parsed.quotes, grid.has_header, len(grid.rows), len(grid.columns))
    return _Result(parsed, grid, reading)


def _alternatives(name: str, text: str, chosen: _Result, found: list[str]) -> tuple[TableReading, ...]:
    """Other readings that give a table: with or without a header, quotation marks, other delimiters, one column."""
    current = chosen.reading
    readings: list[TableReading] = []

    def offer(delimiter: str, quotes: bool | None, header: bool | None, parsed: Parsed | None = None) -> None:
        try:
            result = _laid_out(name, parsed, delimiter, header) if parsed else None
            result = result or _result(name, text, delimiter, quotes, header)
        except TaskError:
            return
        if result.grid.rows and result.reading != current and result.reading not in readings:
            readings.append(result.reading)

    offer(current.delimiter, current.quotes, not current.header, chosen.parsed)
    if len(text) <= _QUICK:
        if '"' in text:
            offer(current.delimiter, not current.quotes, None)
        for delimiter in [*found, ""]:
            if delimiter != current.delimiter:
                offer(delimiter, None, None)
    return tuple(readings[:_ALTERNATIVES])
