"""Delimited text to rows of cells: which delimiter, and whether quotation marks enclose cells or are text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.tasks.tables.grids import NumberedRows, count_titles, usual_width
from engine.tasks.tables.headers import is_known

csv.field_size_limit(2**31 - 1)  # the default refuses cells above 128 kB
DELIMITERS = (",", ";", "\t", "|")
NO_DELIMITER = "\x1f"
_SPACED_WITHIN = 2000
_SNIFFED_ROWS, _SNIFFED_CHARACTERS = 200, 1_000_000
_CLEAR = 0.8
_FEW = 3
_SENTINEL = "palimpsest end of table"
_ESCAPED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
_SEPARATOR_LINE = re.compile(r'"?sep=([^\n])"?\n', re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """All rows with a cell that is not blank."""

    rows: NumberedRows
    quotes: bool
    unclosed: int | None = None
    """The line of a quotation mark that never closes."""
    is_loose: bool = False
    """Whether a quoted cell goes on after its closing mark."""
    joined: tuple[tuple[int, int], ...] = ()
    """First and last lines of rows with a quoted cell that holds line ends and delimiters."""
    remarks: tuple[str, ...] = ()


def separator_line(text: str) -> tuple[str | None, int]:
    """The delimiter that a first line such as `sep=;` names, as Excel wants it, and where the table begins."""
    found = _SEPARATOR_LINE.match(text)
    return (found[1], found.end()) if found else (None, 0)


def delimiters(text: str, preferred: str | None) -> list[str]:
    """The delimiters under which the head of a text is a table of two or more columns, the likeliest first."""
    if preferred:
        found = _scored(text, (preferred,))
        if found:
            return [*found, *_scored(text, [one for one in DELIMITERS if one != preferred])]
    return _scored(text, DELIMITERS)


def is_rectangular(rows: NumberedRows) -> bool:
    """Whether all rows have the same number of cells, two or more."""
    widths = {len(cells) for _, cells in rows}
    return len(widths) == 1 and widths.pop() > 1


def parse(text: str, delimiter: str, quotes: bool | None) -> Parsed:
    """All rows; `quotes` None chooses the reading under which the rows are whole."""
    if quotes is False or '"' not in text:
        return _parse(text, delimiter, is_quoted=False) if quotes is False else _parse(text, delimiter, is_quoted=True)
    usual = _parse(text, delimiter, is_quoted=True)
    if (usual.is_loose or usual.unclosed is not None) and '\\"' in text:
        escaped = _parse(_ESCAPED.sub(r'\1""', text), delimiter, is_quoted=True)
        if not escaped.is_loose and escaped.unclosed is None:
            return escaped
    if quotes or not (usual.is_loose or usual.unclosed is not None or usual.joined):
        return usual
    plain = _parse(text, delimiter, is_quoted=False)
    if is_rectangular(plain.rows) or (delimiter == NO_DELIMITER and _quotes_nowhere_else(plain)):
        if usual.is_loose or usual.unclosed is not None or delimiter == "\t":
            return plain
        is_seldom = len(usual.joined) <= max(_FEW, len(usual.rows) // 20)
        return _with(usual, usual.rows, [_joined_remark(usual.joined)] if is_seldom else [])
    return _mended(text, delimiter, usual) if usual.is_loose else usual


def _scored(text: str, among: Sequence[str]) -> list[str]:
    """Under quotation marks that enclose; without them only where those give no clear table."""
    for is_quoted in (True, False):
        scores = {}
        for delimiter in among:
            scores[delimiter] = _score(_head_rows(text, delimiter, is_quoted))
        best = max(score[0] for score in scores.values())
        if best >= _CLEAR or '"' not in text[:_SNIFFED_CHARACTERS] or not is_quoted:
            break
    found = [delimiter for delimiter in among if scores[delimiter][0] >= 0.5]
    return sorted(found, key=lambda delimiter: scores[delimiter], reverse=True)


def widths_of_head(text: str, delimiter: str) -> list[int]:
    """How many cells the first rows of a text have."""
    return [len(row) for row in _head_rows(text, delimiter, is_quoted=True)]


def _head_rows(text: str, delimiter: str, is_quoted: bool) -> list[list[str]]:
    head = text[:_SNIFFED_CHARACTERS]
    rows = list(islice(_reader(head, delimiter, is_quoted), _SNIFFED_ROWS))
    if len(head) < len(text) and 1 < len(rows) < _SNIFFED_ROWS:
        rows.pop()  # it may be cut
    return [row for row in rows if any(map(str.strip, row))]


def _score(rows: list[list[str]]) -> tuple[float, bool, int]:
    """The share of the rows that are of one width, two or more; whether nothing stands above them; and that width."""
    if not rows:
        return 0.0, False, 0
    first, usual, titles = len(rows[0]), usual_width(rows), count_titles(rows)
    by_first = sum(len(row) == first for row in rows) / len(rows) if first > 1 else 0.0
    body = rows[titles + 1 :]
    has_room = first > 1 or titles > 0
    by_usual = sum(len(row) == usual for row in body) / len(body) if usual > 1 and body and has_room else 0.0
    return max((by_first, True, first), (by_usual, titles == 0, usual) if by_usual >= _CLEAR else (0.0, False, 0))


def _reader(text: str, delimiter: str, is_quoted: bool, strict: bool = False) -> Any:
    first_line = text[:_SPACED_WITHIN].partition("\n")[0]
    # some write a space after each comma, before the quotation mark
    spaced = 0 < first_line.count(delimiter) == first_line.count(f"{delimiter} ")
    quoting = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    return csv.reader(
        lines_of(text), delimiter=delimiter, quoting=quoting, skipinitialspace=spaced, strict=strict  # type: ignore[arg-type]
    )  # fmt: skip


def lines_of(text: str) -> Iterator[str]:
    """The lines with their ends; a list of them, or a file, would hold the text once more."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _parse(text: str, delimiter: str, *, is_quoted: bool) -> Parsed:
    """A last row of our own tells whether a quotation mark never closes."""
    closed = f"{text.rstrip(chr(10))}\n{_SENTINEL}\n"
    is_loose = False
    try:
        rows, joined = _rows(_reader(closed, delimiter, is_quoted, strict=True), delimiter)
    except csv.Error:
        rows, joined = _rows(_reader(closed, delimiter, is_quoted), delimiter)
        is_loose = True
    last_line, last = rows.pop()
    unclosed = None if last == [_SENTINEL] else last_line
    if unclosed is not None:
        joined = [lines for lines in joined if lines[0] != unclosed]
        is_loose = bool(joined) or _goes_on_after_mark(closed, delimiter, unclosed)
    return Parsed(rows, is_quoted, unclosed, is_loose, tuple(joined))


def _goes_on_after_mark(text: str, delimiter: str, before: int) -> bool:
    """Whether the lines before one can't be read strictly."""
    try:
        for _ in _reader("".join(islice(lines_of(text), before - 1)), delimiter, True, strict=True):
            pass
    except csv.Error:
        return True
    return False


def _rows(reader: Any, delimiter: str) -> tuple[NumberedRows, list[tuple[int, int]]]:
    rows: NumberedRows = []
    joined = []
    line = 1
    for cells in reader:
        if any(map(str.strip, cells)):
            rows.append((line, cells))
            if reader.line_num > line and any("\n" in cell and delimiter in cell for cell in cells):
                joined.append((line, reader.line_num))
        line = reader.line_num + 1
    return rows, joined


def _mended(text: str, delimiter: str, loose: Parsed) -> Parsed:
    """Take rows apart that a stray quotation mark joined, where each of their lines is a row of the usual width."""
    usual = usual_width([cells for _, cells in loose.rows])
    suspects = dict(loose.joined)
    if not suspects:
        return _with(loose, loose.rows, [_LOOSE])
    lines = text.split("\n")
    rows: NumberedRows = []
    left: list[tuple[int, int]] = []
    for number, cells in loose.rows:
        last = suspects.get(number)
        if last is None:
            rows.append((number, cells))
            continue
        chunk = "\n".join(lines[number - 1 : last]) + "\n"
        apart = _parse(chunk, delimiter, is_quoted=False).rows
        if usual > 1 and _is_refused(chunk, delimiter) and all(len(row) == usual for _, row in apart):
            rows.extend((number + line - 1, row) for line, row in apart)
        else:
            rows.append((number, cells))
            left.append((number, last))
    return _with(loose, rows, [_joined_remark(tuple(left))] if left else [])


def _is_refused(chunk: str, delimiter: str) -> bool:
    try:
        list(_reader(chunk, delimiter, True, strict=True))
    except csv.Error:
        return True
    return False


def _quotes_nowhere_else(plain: Parsed) -> bool:
    """Of a single column: whether no line is enclosed in quotation marks, and there are others than the odd one."""
    marked = [cells[0] for _, cells in plain.rows if cells[0].lstrip().startswith('"')]
    if len(plain.rows) < 2 or len(marked) * 2 > len(plain.rows):
        return False
    return not any(is_known(cells[0]) for _, cells in plain.rows[:1]) or len(marked) == 1


_LOOSE = (
    "Some cells go on after the quotation mark that closes them; if the marks are text, let them be (quotes: false)."
)


def _joined_remark(joined: tuple[tuple[int, int], ...]) -> str:
    places = ", ".join(f"{first} to {last}" for first, last in joined[:3])
    more = f" and {len(joined) - 3:,} more places" if len(joined) > 3 else ""
    return (
        f"Quotation marks join the lines {places}{more} into one row each; if these lines are rows of their own, "
        "let quotation marks be text (quotes: false)."
    )


def _with(parsed: Parsed, rows: NumberedRows, remarks: list[str]) -> Parsed:
    return Parsed(rows, parsed.quotes, parsed.unclosed, parsed.is_loose, parsed.joined, tuple(remarks))
