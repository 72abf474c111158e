"""Tables from text: CSV, TSV, JSON Lines and JSON, every cell as a string."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.errors import TaskError
from engine.names import listed
from engine.tasks import limits
from engine.tasks.cells import cell_text, unique_names
from engine.tasks.contents import LeftOut, Table
from engine.tasks.encodings import Decoded, clean
from engine.tasks.limits import check_columns, check_pieces

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # the default refuses cells above 128 kB
_DELIMITERS = (",", ";", "\t", "|")
_NO_DELIMITER = "\x1f"
_SPACED_WITHIN = 2000
_SNIFFED_ROWS, _SNIFFED_CHARACTERS = 200, 1_000_000
_LONG_LINE = 1_000_000
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_SENTINEL = "palimpsest end of table"
_NAME = re.compile(r"[\w#][\w .\-/()#:%]{0,63}")

Rows = list[tuple[int, list[str]]]
"""Cells with the line on which the row begins."""


def read_csv(name: str, decoded: Decoded, format: str) -> Table:
    """Read delimited text; delimiter, quoting and header are recognised. Raises TaskError."""
    import pandas as pd

    delimiter = _delimiter(decoded.text, "\t" if format == "tsv" else None)
    check_pieces(name, decoded.text.count(delimiter) + decoded.text.count("\n"))
    rows, unclosed = _parse(decoded.text, delimiter, csv.QUOTE_MINIMAL)
    left_out: list[LeftOut] = []
    if unclosed is not None:
        plain, _ = _parse(decoded.text, delimiter, csv.QUOTE_NONE)
        if delimiter != _NO_DELIMITER and len({len(cells) for _, cells in plain}) == 1:
            rows = plain  # a table that never quotes, with a quotation mark at the start of a cell
        else:
            left_out.append(LeftOut(f"from line {unclosed}", "a quotation mark opens and never closes"))
    if not rows:
        raise TaskError(f"{name}, line {unclosed or 1}: a quotation mark opens and never closes; close it.")
    check_columns(name, len(rows[0][1]))
    header, rows = _header(rows)
    if not rows and not left_out:
        raise TaskError(f"{name}, line 1: there is a header ({listed(header)}) but no row below it; add rows.")
    good: Rows = []
    for line, cells in rows:
        if len(cells) == len(header):
            good.append((line, cells))
        else:
            reason = f"{_plural(len(cells), 'cell')} where the header has {len(header)}"
            left_out.append(LeftOut(f"line {line}", reason))
    if not good:
        first = left_out[0]
        raise TaskError(f"{name}, {first.where}: no row can be used, this one because: {first.reason}; mend the table.")
    frame = pd.DataFrame([cells for _, cells in good], columns=header, index=[line for line, _ in good], dtype=str)
    return _table(name, frame, format, decoded, tuple(left_out), delimiter=delimiter.strip(_NO_DELIMITER))


def read_jsonl(name: str, decoded: Decoded) -> Table:
    """Read one JSON object or string a line; broken lines are left out. Raises TaskError where none is whole."""
    check_pieces(name, decoded.text.count("\n"))
    records: list[tuple[int, dict[str, str]]] = []
    left_out: list[LeftOut] = []
    pieces = 0
    for number, line in enumerate(_lines(decoded.text), start=1):
        if not line.strip():
            continue
        try:
            records.append((number, _record(_loads(name, line.removesuffix("\n")))))
            pieces += len(records[-1][1])
        except ValueError as error:
            left_out.append(LeftOut(f"line {number}", str(error)))
        check_pieces(name, pieces)
    if not records:
        if decoded.text.lstrip().startswith("["):
            return read_json(name, decoded)
        first = left_out[0]
        raise TaskError(f"{name}, {first.where}: {first.reason}; each line must be a JSON object such as {_EXAMPLE}.")
    return _from_records(name, records, "jsonl", decoded, tuple(left_out), row_word="line")


def read_json(name: str, decoded: Decoded) -> Table:
    """Read a list of objects or of strings, alone or as the only list within an object. Raises TaskError."""
    try:
        data = _loads(name, decoded.text)
    except ValueError as error:
        first, _, rest = decoded.text.strip().partition("\n")
        if rest and first.startswith("{") and first.rstrip().endswith("}"):
            return read_jsonl(name, decoded)
        raise TaskError(f"{name}, {_json_place(error)}: {_json_words(error)}; mend the file.") from error
    if isinstance(data, dict):
        lists = [value for value in data.values() if isinstance(value, list)]
        data = lists[0] if len(lists) == 1 else [data] if not lists else data
    if not isinstance(data, list):
        raise TaskError(f"{name}: expected a list of objects or of texts; write it as [{_EXAMPLE}, …].")
    if not data:
        raise TaskError(f"{name}: the list is empty; add objects or texts to it.")
    records: list[tuple[int, dict[str, str]]] = []
    left_out: list[LeftOut] = []
    for number, item in enumerate(data, start=1):
        try:
            records.append((number, _record(item)))
        except ValueError as error:
            left_out.append(LeftOut(f"item {number}", str(error)))
    if not records:
        raise TaskError(f"{name}, item 1: {left_out[0].reason}; write the list as [{_EXAMPLE}, …].")
    return _from_records(name, records, "json", decoded, tuple(left_out), row_word="item")


_EXAMPLE = '{"text": "…"}'


def _delimiter(text: str, preferred: str | None) -> str:
    """The delimiter under which most rows have as many cells as the header, two or more."""
    best, best_score = _NO_DELIMITER, (0.5, 0)
    head = text[:_SNIFFED_CHARACTERS]
    for delimiter in (preferred,) if preferred else _DELIMITERS:
        rows = list(islice(_reader(head, delimiter, csv.QUOTE_MINIMAL), _SNIFFED_ROWS))
        if len(head) < len(text) and 1 < len(rows) < _SNIFFED_ROWS:
            rows.pop()  # it may be cut
        counts = [len(row) for row in rows if row]
        if counts and counts[0] > 1:
            score = (counts.count(counts[0]) / len(counts), counts[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _reader(text: str, delimiter: str, quoting: int) -> Any:
    first_line = text[:_SPACED_WITHIN].partition("\n")[0]
    spaced = f"{delimiter} " in first_line  # some write a space after each comma, before the quotation mark
    return csv.reader(_lines(text), delimiter=delimiter, quoting=quoting, skipinitialspace=spaced)  # type: ignore[arg-type]


def _lines(text: str) -> Iterator[str]:
    """The lines with their ends; a list of them, or a file, would hold the text once more."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _parse(text: str, delimiter: str, quoting: int) -> tuple[Rows, int | None]:
    """Rows, and the line of a quotation mark that never closes. A last row of our own tells whether one does not."""
    reader = _reader(f"{text.rstrip(chr(10))}\n{_SENTINEL}\n", delimiter, quoting)
    rows: Rows = []
    line = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            rows.append((line, cells))
        line = reader.line_num + 1
    last_line, last = rows.pop()
    return rows, None if last == [_SENTINEL] else last_line


def _header(rows: Rows) -> tuple[list[str], Rows]:
    first = [cell.strip() for cell in rows[0][1]]
    named = [cell for cell in first if cell]
    is_header = len(named) * 2 > len(first) and all(_NAME.fullmatch(c) and not _is_number(c) for c in named)
    names = first if is_header else [""] * len(first)
    return unique_names([name or f"column {i}" for i, name in enumerate(names, start=1)]), rows[is_header:]


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _loads(name: str, text: str) -> Any:
    if len(text) > _LONG_LINE:
        check_pieces(name, _json_pieces(text))
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise ValueError("nested too deeply or holds too long a number") from error


def _json_pieces(text: str) -> int:
    """About how many values a JSON text holds, from the marks between them; those within strings only if need be."""

    def marks(part: str) -> int:
        return part.count(",") + part.count("[") + part.count("{")

    found = marks(text)
    return found if found <= limits.MAX_PIECES else marks(_JSON_STRING.sub("", text))


def _record(item: Any) -> dict[str, str]:
    """The cells of a row. Raises ValueError for what is none."""
    if isinstance(item, str):
        return {"text": cell_text(item)}
    if isinstance(item, dict) and item:
        return {key: cell_text(value) for key, value in item.items()}
    raise ValueError(f"{_kind(item)} where an object or a text is expected")


def _kind(item: Any) -> str:
    if item == {}:
        return "an empty object"
    words = {list: "a list", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return words.get(type(item), "a value")


def _json_place(error: ValueError) -> str:
    return f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "line 1"


def _json_words(error: ValueError) -> str:
    message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return f"this is not valid JSON ({message[:1].lower()}{message[1:]})"


def _from_records(
    name: str, records: list[tuple[int, dict[str, str]]], format: str, decoded: Decoded,
    left_out: tuple[LeftOut, ...], row_word: str,
) -> Table:  # fmt: skip
    import pandas as pd

    columns = list(dict.fromkeys(key for _, record in records for key in record))
    check_columns(name, len(columns))
    check_pieces(name, len(columns) * len(records))
    cells = [[record.get(column, "") for column in columns] for _, record in records]
    labels = unique_names(map(clean, columns))
    frame = pd.DataFrame(cells, columns=labels, index=[number for number, _ in records], dtype=str)
    return _table(name, frame, format, decoded, left_out, row_word=row_word)


def _table(
    name: str, frame: pd.DataFrame, format: str, decoded: Decoded, left_out: tuple[LeftOut, ...],
    delimiter: str = "", row_word: str = "line",
) -> Table:  # fmt: skip
    return Table(
        name, frame, format, decoded.encoding, decoded.how, decoded.certain, delimiter, row_word, left_out
    )  # fmt: skip


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
