"""Columns whose cells are lists or objects that were written out as text, as JSON or as Python writes them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from engine.tasks.documents.conversations import are_messages
from engine.tasks.tables.cells import cell_text

if TYPE_CHECKING:
    import pandas as pd

_LOOKED_AT = 200
_NEARLY_ALL, _MOST = 0.9, 0.5
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
    """The columns nearly all of whose cells are lists or objects, or most of whose cells are messages; what Python
    wrote is written again as JSON."""
    frame, messages = find_messages(frame)
    nested = [*messages]
    for place, label in enumerate(frame.columns):
        cells = frame.iloc[:, place]
        filled = [cell for cell in cells.head(_LOOKED_AT) if cell.strip()]
        if str(label) in messages or not filled or not all(cell.lstrip()[:1] in ("[", "{") for cell in filled[:3]):
            continue
        if _share(map(_is_json, filled)) >= _NEARLY_ALL:
            nested.append(str(label))
        elif _share(_python_as_json(cell) is not None for cell in filled) >= _NEARLY_ALL:
            frame = frame.assign(**{str(label): [_python_as_json(cell) or cell for cell in cells]})
            nested.append(str(label))
    return frame, frozenset(nested)


def find_messages(frame: pd.DataFrame, besides: Collection[str] = ()) -> tuple[pd.DataFrame, frozenset[str]]:
    """The same for columns of texts, `besides` those of lists and objects: only conversations are no text there. Some
    cells may be cut off, as Excel cuts long ones."""
    found = []
    for place, label in enumerate(frame.columns):
        cells = frame.iloc[:, place]
        filled = [cell for cell in cells.head(_LOOKED_AT) if cell.strip()]
        if str(label) in besides or not filled or _share(map(is_written_messages, filled)) <= _MOST:
            continue
        found.append(str(label))
        if not all(_is_json(cell) for cell in filled if is_written_messages(cell)):
            mended = [cell if _is_json(cell) else _python_as_json(cell) or cell for cell in cells]
            frame = frame.assign(**{str(label): mended})
    return frame, frozenset(found)


def is_written_messages(cell: str) -> bool:
    """Whether a text is messages with their roles, as JSON or as Python writes them."""
    if cell.lstrip()[:1] not in ("[", "{"):
        return False
    as_json = cell if _is_json(cell) else _python_as_json(cell)
    return as_json is not None and are_messages(json.loads(as_json))


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
