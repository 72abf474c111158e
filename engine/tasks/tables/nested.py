"""Columns whose cells are lists or objects that were written out as text, as JSON or as Python writes them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.tasks.tables.cells import cell_text

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 200
_NEARLY_ALL = 0.9
_LONGEST_CELL = 200_000
_STRINGS = re.compile(r"""('(?:[^'\\\n]|\\.)*+'|"(?:[^"\\\n]|\\.)*+")""", re.DOTALL)
_LITERALS = re.compile(r"[\[\]{}(),:\s\w.+-]*")
_SUMS = re.compile(r"[\w\])}]\s*[+-]|[+-]\s*[+-]")
_EXPONENT = re.compile(r"(?<=[\d.])[eE][+-]?(?=\d)")
_NO_COMMA = re.compile(r"\}(\s+)\{")
"""Between the objects of a list as NumPy writes it."""
_NO_NUMBER = re.compile(r"\bnan\b")
_DEEPEST = 50


def find_nested(frame: pd.DataFrame) -> tuple[pd.DataFrame, frozenset[str]]:
    """The columns nearly all of whose cells are lists or objects; what Python wrote is written again as JSON."""
    nested = []
    for place, label in enumerate(frame.columns):
        cells = frame.iloc[:, place]
        filled = [cell for cell in cells.head(_LOOKED_AT) if cell.strip()]
        if not filled or not all(cell.lstrip()[:1] in ("[", "{") for cell in filled[:3]):
            continue
        if _share(map(_is_json, filled)) >= _NEARLY_ALL:
            nested.append(str(label))
        elif _share(_python_as_json(cell) is not None for cell in filled) >= _NEARLY_ALL:
            frame = frame.assign(**{str(label): [_python_as_json(cell) or cell for cell in cells]})
            nested.append(str(label))
    return frame, frozenset(nested)


def _share(answers: Any) -> float:
    given = list(answers)
    return sum(given) / len(given)


def _is_json(cell: str) -> bool:
    try:
        return isinstance(json.loads(cell), list | dict)
    except (ValueError, RecursionError):
        return False


def _python_as_json(cell: str) -> str | None:
    """The JSON of a list or dictionary as Python, or NumPy, writes it; None for all else."""
    text = cell.strip()
    if len(text) > _LONGEST_CELL or text[:1] not in ("[", "{"):
        return None
    parts = _STRINGS.split(text)  # what stands outside of strings at even places
    outside = parts[::2]
    if not _is_harmless(outside):
        return None
    parts[::2] = [_NO_NUMBER.sub("None", _NO_COMMA.sub(r"},\1{", part)) for part in outside]
    try:
        value = ast.literal_eval("".join(parts))
        return cell_text(value) if isinstance(value, list | dict) else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _is_harmless(outside: Sequence[str]) -> bool:
    """Literals alone, and not so deep that Python's own parser would be at its limits."""
    joined = _EXPONENT.sub("", "0".join(outside))
    if not _LITERALS.fullmatch(joined) or _SUMS.search(joined):
        return False
    depth = deepest = 0
    for character in joined:
        if character in "[{(":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]})":
            depth -= 1
    return deepest <= _DEEPEST
