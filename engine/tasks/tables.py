"""Tables from text or bytes: CSV, TSV, JSON Lines, JSON and Parquet, every cell as a string."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from engine.errors import TaskError
from engine.names import listed
from engine.tasks import limits
from engine.tasks.contents import LeftOut, Table
from engine.tasks.encodings import Decoded, clean
from engine.tasks.limits import Room, check_columns, check_pieces

if TYPE_CHECKING:
    import pandas as pd

csv.field_size_limit(2**31 - 1)  # the default refuses cells above 128 kB
_DELIMITERS = (",", ";", "\t", "|")
_NO_DELIMITER = "\x1f"
_SPACED_WITHIN = 2000
_PARQUET_ROWS = 1024
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
    header, rows = _header(rows)
    check_columns(name, len(header))
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


def read_parquet(name: str, data: bytes) -> Table:
    """Read a Parquet table, nested values as JSON. Raises TaskError."""
    import pandas as pd
    import pyarrow.parquet

    try:
        columns = _parquet_columns(name, io.BytesIO(data))
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise TaskError(f"{name}: this is not a whole Parquet file; copy or export it again.") from error
    frame = pd.DataFrame(columns, dtype=str)
    if frame.empty:
        raise TaskError(f"{name}: the table has {_plural(len(frame.columns), 'column')} but no row; add rows.")
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Table(name, frame, "parquet", row_word="row")


_EXAMPLE = '{"text": "…"}'


def _parquet_columns(name: str, file: io.BytesIO) -> dict[str, list[str]]:
    """The cells by column. Raises TaskError where there are too many, and what pyarrow raises.

    Such a file keeps equal texts once, so that a small one can hold a great deal: texts are read as references, and
    counted before they are written out.
    """
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_metadata(file)
    schema, groups = metadata.schema, [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    leaves = [schema.column(i) for i in range(metadata.num_columns)]
    check_columns(name, len(leaves))
    room = Room()
    room.take(name, sum(max(0, group.total_byte_size) for group in groups))
    check_pieces(name, metadata.num_rows * len(leaves))
    check_pieces(name, sum(group.column(i).num_values for group in groups for i in range(len(leaves))))
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL"]
    read = pyarrow.parquet.ParquetFile(file, read_dictionary=texts)
    columns: dict[str, list[str]] = {label: [] for label in _unique([clean(n) for n in read.schema_arrow.names])}
    room, pieces = Room(), 0
    for batch in read.iter_batches(_PARQUET_ROWS):
        for cells, array in zip(columns.values(), batch.columns, strict=True):
            size, values = _written_out(array)
            room.take(name, size)
            pieces += values
            check_pieces(name, pieces)
            cells.extend(map(_cell, array.to_pylist()))
    return columns


def _written_out(array: Any) -> tuple[int, int]:
    """Bytes and number of an Arrow array's values, at any depth, once each is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(array.dictionary).cast(pa.int64()) if _holds_texts(kind.value_type) else None
        size = pc.sum(lengths.take(array.indices)).as_py() if lengths is not None else 16 * len(array)
        return size or 0, len(array)
    if pa.types.is_struct(kind):
        parts = [_written_out(array.field(i)) for i in range(kind.num_fields)]
    elif pa.types.is_nested(kind):
        parts = [_written_out(array.flatten())]
    else:
        return array.nbytes, len(array)
    return sum(size for size, _ in parts), len(array) + sum(values for _, values in parts)


def _holds_texts(kind: Any) -> bool:
    import pyarrow as pa

    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


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
        return {"text": _cell(item)}
    if isinstance(item, dict) and item:
        return {clean(key): _cell(value) for key, value in item.items()}
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
        try:
            return clean(json.dumps(value, ensure_ascii=False, default=str))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    return str(value)


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
