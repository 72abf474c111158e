"""Tables from JSON Lines, every cell as a string; where a file holds one JSON value, `json_shapes` finds its rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.common.errors import TaskError
from engine.tasks.files import limits
from engine.tasks.files.contents import LeftOut, Table
from engine.tasks.files.encodings import Decoded, clean
from engine.tasks.files.limits import check_columns, check_pieces
from engine.tasks.tables.cells import cell_text, unique_names
from engine.tasks.tables.delimited import lines_of
from engine.tasks.tables.grids import plural
from engine.tasks.tables.headers import is_known
from engine.tasks.tables.json_shapes import Part, find_parts
from engine.tasks.tables.nested import find_messages

if TYPE_CHECKING:
    import pandas as pd

_LONG_LINE = 1_000_000
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_EXAMPLE = '{"text": "…"}'
Record = dict[str, Any]


def read_jsonl(name: str, decoded: Decoded) -> list[Table]:
    """Read one JSON object, list or string a line; broken lines are left out. Raises TaskError where none is whole."""
    check_pieces(name, decoded.text.count("\n"))
    items: list[tuple[int, Any]] = []
    left_out: list[LeftOut] = []
    pieces = 0
    for number, line in enumerate(lines_of(decoded.text), start=1):
        if not line.strip():
            continue
        try:
            items.append((number, _loads(name, line.removesuffix("\n"))))
            pieces += len(items[-1][1]) if isinstance(items[-1][1], dict | list) else 1
        except ValueError as error:
            left_out.append(LeftOut(f"line {number}", str(error)))
        check_pieces(name, pieces)
    records, not_rows = _records(items, "line")
    left_out = sorted([*left_out, *not_rows], key=lambda one: int(one.where.split()[1]))
    if not records or (left_out and decoded.text.lstrip()[:1] == "[" and len(records) < len(left_out)):
        if decoded.text.lstrip()[:1] in ("[", "{"):
            return _read_json(name, decoded, jsonl_error=left_out)
        raise _no_line(name, left_out)
    return [_table(name, records, "jsonl", decoded, left_out, "line")]


def read_json(name: str, decoded: Decoded) -> list[Table]:
    """Read a list of objects, lists or texts, alone or within an object, or what pandas writes. Raises TaskError."""
    return _read_json(name, decoded)


def _read_json(name: str, decoded: Decoded, jsonl_error: Sequence[LeftOut] = ()) -> list[Table]:
    try:
        data = _loads(name, decoded.text)
    except ValueError as error:
        first, _, rest = decoded.text.strip().partition("\n")
        if jsonl_error and not decoded.text.lstrip().startswith("["):
            raise _no_line(name, jsonl_error) from error
        if rest and not jsonl_error and first.startswith("{") and first.rstrip().endswith("}"):
            return read_jsonl(name, decoded)
        raise TaskError(f"{name}, {_json_place(error)}: {_json_words(error)}; mend the file.") from error
    parts = find_parts(name, data)
    return [_part(name if not part.key else f"{name}/{part.key}", part, decoded) for part in parts]


def _part(name: str, part: Part, decoded: Decoded) -> Table:
    if not part.items:
        raise TaskError(f"{name}: the list is empty; add objects or texts to it.")
    records, left_out = _records(list(enumerate(part.items, start=1)), "item")
    if not records:
        raise TaskError(f"{name}, item 1: {left_out[0].reason}; write the list as [{_EXAMPLE}, …].")
    return _table(name, records, "json", decoded, left_out, "item", part.side, part.remarks)


def _records(items: list[tuple[int, Any]], word: str) -> tuple[list[tuple[int, Record]], list[LeftOut]]:
    """The rows by column. Lists are rows where they are the greater part, each as long as most of them."""
    lists = [item for _, item in items if isinstance(item, list) and item]
    columns = _list_columns(lists) if len(lists) * 2 > len(items) else []
    records: list[tuple[int, Record]] = []
    left_out: list[LeftOut] = []
    for place, (number, item) in enumerate(items):
        if place == 0 and columns and item == columns:
            continue  # it names the columns
        try:
            records.append((number, _record(item, columns)))
        except ValueError as error:
            left_out.append(LeftOut(f"{word} {number}", str(error)))
    return records, left_out


def _list_columns(lists: list[list[Any]]) -> list[str]:
    """The columns of rows that are lists; a single one where each list is one conversation."""
    if all(isinstance(item, dict) for row in lists for item in row):
        return ["messages"]
    first = lists[0]
    if len(lists) > 1 and all(isinstance(cell, str) and is_known(cell) for cell in first):
        return list(first)
    lengths = [len(row) for row in lists]
    return [f"column {i}" for i in range(1, max(set(lengths), key=lengths.count) + 1)]


def _record(item: Any, columns: list[str]) -> Record:
    """The cells of a row. Raises ValueError for what is none."""
    if isinstance(item, str):
        return {columns[0] if columns else "text": item}
    if isinstance(item, dict) and item:
        return item
    if isinstance(item, list) and columns == ["messages"]:
        return {"messages": item}
    if isinstance(item, list) and columns:
        if len(item) != len(columns):
            raise ValueError(f"{plural(len(item), 'value')} where most lists have {len(columns)}")
        return dict(zip(columns, item, strict=True))
    raise ValueError(f"{_kind(item)} where an object or a text is expected")


def _kind(item: Any) -> str:
    if item == {}:
        return "an empty object"
    words = {list: "a list", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return words.get(type(item), "a value")


def _table(
    name: str, records: list[tuple[int, Record]], format: str, decoded: Decoded, left_out: Iterable[LeftOut],
    row_word: str, side: str = "", remarks: tuple[str, ...] = (),
) -> Table:  # fmt: skip
    columns = list(dict.fromkeys(key for _, record in records for key in record))
    check_columns(name, len(columns))
    check_pieces(name, len(columns) * len(records))
    labels = unique_names(map(clean, columns))
    nested = frozenset(
        label
        for label, column in zip(labels, columns, strict=True)
        if any(isinstance(record.get(column), dict | list) for _, record in records)
    )
    frame, too_deep = _frame(records, columns, labels, row_word)
    frame, messages = find_messages(frame, besides=nested)
    if frame.empty:
        raise TaskError(f"{name}, {too_deep[0].where}: {too_deep[0].reason}; write the values as texts.")
    return Table(
        name, frame, format, decoded.encoding, decoded.how, decoded.certain, row_word=row_word,
        left_out=(*left_out, *too_deep), nested=nested | messages, side=side, remarks=(*decoded.remarks, *remarks),
    )  # fmt: skip


def _frame(
    records: list[tuple[int, Record]], columns: list[str], labels: list[str], row_word: str
) -> tuple[pd.DataFrame, list[LeftOut]]:
    import pandas as pd

    rows, numbers, left_out = [], [], []
    for number, record in records:
        try:
            rows.append([cell_text(record.get(column)) for column in columns])
            numbers.append(number)
        except ValueError as error:
            left_out.append(LeftOut(f"{row_word} {number}", str(error)))
    return pd.DataFrame(rows, columns=labels, index=numbers, dtype=str), left_out


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


def _no_line(name: str, left_out: Sequence[LeftOut]) -> TaskError:
    first = left_out[0]
    return TaskError(f"{name}, {first.where}: {first.reason}; each line must be a JSON object such as {_EXAMPLE}.")


def _json_place(error: ValueError) -> str:
    return f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "line 1"


def _json_words(error: ValueError) -> str:
    message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    return f"this is not valid JSON ({message[:1].lower()}{message[1:]})"
