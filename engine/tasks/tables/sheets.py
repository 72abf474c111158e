"""Excel workbooks as tables, read by a process of its own: see `child`."""

from __future__ import annotations

import datetime
import io
import json
import warnings
import zipfile
from typing import Any

from engine.common.errors import TaskError
from engine.common.quoting import listed
from engine.tasks.files.child_process import command, read_in_child, serve
from engine.tasks.files.contents import ReadingOptions, Table, TableReading
from engine.tasks.files.limits import MAX_FILES, Room, check_columns, check_pieces
from engine.tasks.tables.cells import cell_text
from engine.tasks.tables.grids import NumberedRows, lay_out
from engine.tasks.tables.nested import find_nested

_CHILD = command("engine.tasks.tables.sheets")
_MOST_ROWS = 1_048_576
"""That a sheet of Excel may have."""
_LOCKED = b"\xd0\xcf\x11\xe0"


def read_xlsx(name: str, data: bytes, options: ReadingOptions) -> Table:
    """Read the first sheet with content, every cell as people see it. Raises TaskError."""
    import pandas as pd

    if not data:
        raise TaskError(f"{name}: the file is empty; upload it again or leave it out.")
    if data.startswith(_LOCKED):
        raise TaskError(f"{name}: this workbook is locked with a password, or is an old one; save it as .csv.")
    instead = "save the sheet with the texts as .csv"
    found = json.loads(
        read_in_child(_CHILD, name, data, "this is not a whole Excel workbook; save or copy it again", instead)
    )
    rows: NumberedRows = [(number, cells) for number, cells in found["rows"]]
    grid = lay_out(name, rows, options.header, "row")
    remarks = list(grid.remarks)
    if found["others"]:
        remarks.insert(0, f"The sheet '{found['sheet']}' alone was read; there are also {listed(found['others'], 5)}.")
    if not grid.rows:
        first = grid.left_out[0]
        raise TaskError(f"{name}, {first.where}: no row can be used, this one because: {first.reason}; mend the table.")
    numbers = [number for number, _ in grid.rows]
    frame = pd.DataFrame([cells for _, cells in grid.rows], columns=grid.columns, index=numbers, dtype=str)
    frame, nested = find_nested(frame)
    reading = TableReading("", True, grid.has_header, len(grid.rows), len(grid.columns))
    return Table(
        name, frame, "xlsx", row_word="row", left_out=grid.left_out, nested=nested, remarks=tuple(remarks),
        reading=reading, alternatives=_alternatives(name, rows, reading),
    )  # fmt: skip


def _alternatives(name: str, rows: NumberedRows, reading: TableReading) -> tuple[TableReading, ...]:
    """With a header where it was read without, and the other way round."""
    try:
        grid = lay_out(name, rows, not reading.header, "row")
    except TaskError:
        return ()
    other = TableReading("", True, grid.has_header, len(grid.rows), len(grid.columns))
    return (other,) if grid.rows else ()


def child() -> None:
    """Read a workbook from stdin, write its rows to stdout as JSON."""
    serve(lambda name, data: json.dumps(rows_of(name, data)).encode())


def rows_of(name: str, data: bytes) -> dict[str, Any]:
    """The rows of the first sheet with content, with their numbers, and the names of the other sheets with content.

    Raises TaskError.
    """
    import openpyxl

    _check_unpacked(name, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validations that it does not know
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            return _first_with_content(name, book)
    except TaskError:
        raise
    except MemoryError as error:
        raise TaskError(f"{name}: reading it takes more memory than one upload may; save it as .csv.") from error
    except Exception as error:  # what openpyxl raises for broken files has no common kind
        raise TaskError(f"{name}: this is not a whole Excel workbook; save or copy it again.") from error


def _check_unpacked(name: str, data: bytes) -> None:
    """A workbook is a zip archive; its library unpacks parts of it whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError) as error:
        raise TaskError(f"{name}: this is not a whole Excel workbook; save or copy it again.") from error
    if len(members) > MAX_FILES:
        raise TaskError(f"{name}: this is not a whole Excel workbook; save or copy it again.")
    Room().take(name, sum(member.file_size for member in members))


def _first_with_content(name: str, book: Any) -> dict[str, Any]:
    sheets = sorted(book.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
    sheet_name, others = "", []
    rows: list[tuple[int, list[str]]] = []
    for sheet in sheets:
        if rows:
            if _has_content(sheet):
                others.append(sheet.title)
            continue
        sheet_name, rows = sheet.title, _rows(name, sheet)
    if not rows:
        raise TaskError(f"{name}: none of its sheets has a cell with text; put the texts into one.")
    return {"sheet": sheet_name, "rows": rows, "others": others}


def _has_content(sheet: Any) -> bool:
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True)):
        if number > _MOST_ROWS or any(value is not None for value in row):
            return True
    return False


def _rows(name: str, sheet: Any) -> list[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # what a sheet says of its own size can be a lie
    room, pieces = Room(), 0
    rows: list[tuple[int, list[str]]] = []
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > _MOST_ROWS:
            raise TaskError(f"{name}: has more rows than a sheet may have; save it as .csv.")
        cells = [_as_seen(cell) for cell in row]
        pieces += len(cells)
        check_columns(name, len(cells))
        check_pieces(name, pieces)
        room.take(name, sum(map(len, cells)))
        if any(cell.strip() for cell in cells):
            rows.append((number, cells))
    width = max((len(cells) for _, cells in rows), default=0)
    check_pieces(name, width * len(rows))
    for _, cells in rows:
        cells.extend([""] * (width - len(cells)))  # such a sheet leaves out the empty cells at the ends of rows
    return rows


def _as_seen(cell: Any) -> str:
    """5 rather than 5.0, a date without a time that nobody set, a share in percent."""
    value = cell.value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "seconds")
    if isinstance(value, int | float):
        format = str(cell.number_format or "")
        if "%" in format:
            return f"{float(f'{value * 100:.10g}'):g}%"
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    return cell_text(value)
