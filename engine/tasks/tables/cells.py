"""Values of every kind as the text of a cell, and names of columns."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from engine.tasks.files.encodings import clean


def cell_text(value: Any) -> str:
    """A cell's text; nested values as JSON, none and what is no number as nothing.

    Raises ValueError for what is nested too deeply.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bytes):
        return clean(value.decode("utf-8", "replace"))
    if isinstance(value, dict | list):
        try:
            return clean(_json(value))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    return str(value)


def _json(value: Any) -> str:
    """JSON as its standard has it: what is no number is null."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), ensure_ascii=False, default=str)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, numbered from the second of each on."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
