"""Values of every kind as the text of a cell, and names of columns."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from engine.tasks.encodings import clean


def cell_text(value: Any) -> str:
    """A cell's text; nested values as JSON, none as nothing. Raises ValueError for what is nested too deeply."""
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


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, numbered from the second of each on."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
