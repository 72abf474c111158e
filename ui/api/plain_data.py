"""Frames and arrays as plain data that JSON can say: no value is null, times are ISO 8601 in UTC."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd


def written(data: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def value_of(value: Any) -> Any:
    """One value of a frame. What JSON has no number for is None."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def column_of(values: Iterable[Any]) -> list[Any]:
    """The values of a column or an array."""
    return [value_of(value) for value in values]


def row_of(row: Any, columns: Iterable[str]) -> dict[str, Any]:
    """Some columns of a row."""
    return {name: value_of(row[name]) for name in columns}


def columns_of(frame: pd.DataFrame, columns: Iterable[str]) -> dict[str, list[Any]]:
    """Some columns of a frame, a list each."""
    return {name: column_of(frame[name].tolist()) for name in columns}
