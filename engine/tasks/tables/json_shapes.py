"""Where the rows are in a JSON value: lists, the sides of a task, and every form in which pandas writes a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.common.errors import TaskError
from engine.common.quoting import listed
from engine.tasks.tables.headers import is_known

_EXAMPLE = '{"text": "…"}'
_TRAIN = frozenset({"train", "training", "train_data"})
_TEST = frozenset({"test", "testing", "test_data"})
_VALIDATION = frozenset({"validation", "valid", "val", "dev", "eval", "validation_data"})


@dataclass(frozen=True)
class Part:
    """Rows of a file, each an object, a list or a text. `key` is the name under which they stood, where it matters."""

    items: Sequence[Any]
    key: str = ""
    side: str = ""
    remarks: tuple[str, ...] = ()


def find_parts(name: str, data: Any) -> list[Part]:
    """The rows of one JSON value; two parts where it holds both sides of a task. Raises TaskError."""
    if isinstance(data, dict):
        sides = _sides(data)
        if sides:
            return sides
        rows = _frame_rows(data)
        if rows is not None:
            return [Part(rows)]
        lists = {key: value for key, value in data.items() if isinstance(value, list)}
        if len(lists) > 1:
            raise TaskError(
                f"{name}: holds the lists {listed([f'{key} ({len(value):,})' for key, value in lists.items()])}, and "
                f"which is to be read is not clear; save one of them alone, as [{_EXAMPLE}, …]."
            )
        data = next(iter(lists.values())) if lists else [data]
    if not isinstance(data, list):
        raise TaskError(f"{name}: expected a list of objects or of texts; write it as [{_EXAMPLE}, …].")
    return [Part(data)]


def _sides(data: dict[str, Any]) -> list[Part]:
    """The lists that are to be trained on and held out, where their names say so; the others are named in a remark."""
    rows = {key: value if isinstance(value, list) else _rows_of_object(value) for key, value in data.items()}
    found = {key: value for key, value in rows.items() if value}
    train = [key for key in found if key.strip().lower() in _TRAIN]
    test = [key for key in found if key.strip().lower() in _TEST]
    validation = [key for key in found if key.strip().lower() in _VALIDATION]
    held_out = test if test else validation
    if len(train) != 1 or len(held_out) != 1:
        return []
    rest = [f"{key} ({len(value):,})" for key, value in found.items() if key not in (train[0], held_out[0])]
    remark = f"Of the file's lists, '{train[0]}' is to train on and '{held_out[0]}' to hold out"
    remark += f"; these were left out: {listed(rest)}." if rest else "."
    return [Part(found[train[0]], train[0], "train", (remark,)), Part(found[held_out[0]], held_out[0], "held_out")]


def _rows_of_object(value: Any) -> Sequence[Any] | None:
    return _frame_rows(value) if isinstance(value, dict) else None


def _frame_rows(data: dict[str, Any]) -> Sequence[Any] | None:
    """The rows of a frame as pandas writes it: split, table, index, columns, or a series; or of lists by column."""
    columns, rows = data.get("columns"), data.get("data")
    if isinstance(columns, list) and isinstance(rows, list) and set(data) <= {"columns", "index", "data"}:
        names = [" ".join(map(str, name)) if isinstance(name, list) else str(name) for name in columns]
        if rows and all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return [dict(zip(names, row, strict=True)) for row in rows]
    if isinstance(data.get("schema"), dict) and isinstance(rows, list):
        index = data["schema"].get("primaryKey")
        gone = set(index) if index == ["index"] else set()  # the name of an index that has none
        return [_without(row, gone) for row in rows]
    values = list(data.values())
    if not values:
        return None
    if all(isinstance(value, dict) and value for value in values):
        return _by_index_or_column(data)
    if all(isinstance(value, list) for value in values) and len(values) > 1:
        lengths = {len(value) for value in values}
        if len(lengths) == 1 and lengths != {0}:
            return [dict(zip(data, row, strict=True)) for row in zip(*values, strict=True)]
    if len(values) > 1 and _is_counted(data) and not any(isinstance(value, list | dict) for value in values):
        return [{"text": value} for value in values]
    return None


def _by_index_or_column(data: dict[str, dict[str, Any]]) -> Sequence[Any] | None:
    """pandas writes columns within rows, or rows within columns; which of the two, the names tell."""
    inner = next(iter(data.values()))
    is_even = all(value.keys() == inner.keys() for value in data.values())
    if not is_even:
        return list(data.values()) if _is_counted(data) and len(data) > 1 else None
    if _is_counted(inner):
        by_column = True
    elif _is_counted(data):
        by_column = False
    else:
        known_outside, known_inside = any(map(is_known, data)), any(map(is_known, inner))
        by_column = known_outside if known_outside != known_inside else len(inner) > len(data)
    if not by_column:
        return list(data.values())
    return [{column: cells[key] for column, cells in data.items()} for key in inner]


def _is_counted(data: dict[str, Any]) -> bool:
    """Whether the keys are numbers, as those of an index are."""
    return all(key.removeprefix("-").isdigit() for key in data)


def _without(row: Any, gone: set[str]) -> Any:
    return {key: value for key, value in row.items() if key not in gone} if isinstance(row, dict) else row
