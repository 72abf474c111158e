"""Tables from text or bytes: CSV, TSV, JSON Lines, JSON and Parquet, every cell as a string."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.errors import TaskError
from engine.tasks.archives import MAX_BYTES
from engine.tasks.contents import LeftOut, Table
from engine.tasks.encodings import Decoded, clean

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # the default refuses cells above 128 kB
_DELIMITERS = (",", ";", "\t", "|")
_NO_DELIMITER = "\x1f"
_SPACED_WITHIN = 2000
_SENTINEL = "palimpsest end of table"
_NAME = re.compile(r"[\w#][\w .\-/()#:%]{0,63}")

Rows = list[tuple[int, list[str]]]
"""Cells with the line on which the row begins."""


def read_csv(name: str, decoded: Decoded, format: str) -> Table:
    """Read delimited text; delimiter, quoting and header are recognised. Raises TaskError."""
    import pandas as pd

    delimiter = _delimiter(decoded.text, "\t" if format == "tsv" else None)
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
    header, rows = _header(rows)
    if not rows and not left_out:
        columns = ", ".join(header)
        raise TaskError(f"{name}, line 1: there is a header ({columns}) but no row below it; add rows.")
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
    records: list[tuple[int, dict[str, Any]]] = []
    left_out: list[LeftOut] = []
    for number, line in enumerate(decoded.text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append((number, _record(_loads(line))))
        except ValueError as error:
            left_out.append(LeftOut(f"line {number}", str(error)))
    if not records:
        if decoded.text.lstrip().startswith("["):
            return read_json(name, decoded)
        first = left_out[0]
        raise TaskError(f"{name}, {first.where}: {first.reason}; each line must be a JSON object such as {_EXAMPLE}.")
    return _from_records(name, records, "jsonl", decoded, tuple(left_out), row_word="line")


def read_json(name: str, decoded: Decoded) -> Table:
    """Read a list of objects or of strings, alone or as the only list within an object. Raises TaskError."""
    try:
        data = _loads(decoded.text)
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
    records: list[tuple[int, dict[str, Any]]] = []
    left_out: list[LeftOut] = []
    for number, item in enumerate(data, start=1):
        try:
            records.append((number, _record(item)))
        except ValueError as error:
            left_out.append(LeftOut(f"item {number}", str(error)))
    if not records:
        raise TaskError(f"{name}, item 1: {left_out[0].reason}; write the list as [{_EXAMPLE}, …].")
    return _from_records(name, records, "json", decoded, tuple(left_out), row_word="item")


def read_parquet(name: str, data: bytes) -> Table:
    """Read a Parquet table, nested values as JSON. Raises TaskError."""
    import pandas as pd
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        metadata = file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if size > MAX_BYTES:
            raise TaskError(f"{name}: holds more than {MAX_BYTES // 2**20} MB; split it into several files.")
        columns = file.read().to_pydict()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise TaskError(f"{name}: this is not a whole Parquet file; copy or export it again.") from error
    frame = pd.DataFrame({key: [_cell(value) for value in values] for key, values in columns.items()}, dtype=str)
    if frame.empty:
        raise TaskError(f"{name}: the table has {_plural(len(frame.columns), 'column')} but no row; add rows.")
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Table(name, frame, "parquet", row_word="row")


_EXAMPLE = '{"text": "…"}'


def _delimiter(text: str, preferred: str | None) -> str:
    """The delimiter under which most rows have as many cells as the header, two or more."""
    best, best_score = _NO_DELIMITER, (0.5, 0)
    for delimiter in (preferred,) if preferred else _DELIMITERS:
        counts = [len(row) for row in islice(_reader(text, delimiter, csv.QUOTE_MINIMAL), 200) if row]
        if counts and counts[0] > 1:
            score = (counts.count(counts[0]) / len(counts), counts[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _reader(text: str, delimiter: str, quoting: int) -> Any:
    first_line = text[:_SPACED_WITHIN].partition("\n")[0]
    spaced = f"{delimiter} " in first_line  # some write a space after each comma, before the quotation mark
    lines = io.StringIO(text, newline="")
    return csv.reader(lines, delimiter=delimiter, quoting=quoting, skipinitialspace=spaced)  # type: ignore[arg-type]


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
    return _unique([name or f"column {i}" for i, name in enumerate(names, start=1)]), rows[is_header:]


def _unique(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise ValueError("nested too deeply or holds too long a number") from error


def _record(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"text": item}
    if isinstance(item, dict) and item:
        return item
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
    name: str, records: list[tuple[int, dict[str, Any]]], format: str, decoded: Decoded,
    left_out: tuple[LeftOut, ...], row_word: str,
) -> Table:  # fmt: skip
    import pandas as pd

    columns = list(dict.fromkeys(str(key) for _, record in records for key in record))
    cells = [[_cell(record.get(column)) for column in columns] for _, record in records]
    frame = pd.DataFrame(cells, columns=columns, index=[number for number, _ in records], dtype=str)
    return _table(name, frame, format, decoded, left_out, row_word=row_word)


def _table(
    name: str, frame: pd.DataFrame, format: str, decoded: Decoded, left_out: tuple[LeftOut, ...],
    delimiter: str = "", row_word: str = "line",
) -> Table:  # fmt: skip
    return Table(
        name, frame, format, decoded.encoding, decoded.how, decoded.certain, delimiter, row_word, left_out
    )  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return clean(value.decode("utf-8", "replace"))
    if isinstance(value, dict | list):
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    return str(value)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
