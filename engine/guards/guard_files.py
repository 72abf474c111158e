"""Guards from files of several kinds. What can't be read is refused: of texts to train on a row may be left out, of
guards none."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.common.errors import ConfigError, TaskError
from engine.common.explanations import Location, explain
from engine.common.quoting import quoted, shortened
from engine.common.yaml_reading import read_yaml
from engine.guards.guard import MOST_GUARDS, TEXT_FIELDS, Guard, check_titles
from engine.tasks.files.contents import Table
from engine.tasks.readers import read_source

LARGEST_MB = 5
_TEXTS = [*((field,) for field in TEXT_FIELDS), *(("guards", field) for field in TEXT_FIELDS)]
"""The places of YAML where texts stand, of a list and of a kept set."""


def read_guards(path: Path) -> tuple[Guard, ...]:
    """The guards of a YAML or JSON list, JSON lines, a table with the fields as columns, or a kept set. Raises
    ConfigError that names the file, the guard and the field."""
    try:
        _check_size(path.name, path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: it can't be read ({error.strerror}); name a file of guards.") from error
    return guards_of(path.name, data)


def guards_of(name: str, data: bytes) -> tuple[Guard, ...]:
    """As `read_guards`, of a file's content."""
    return named_guards(name, data)[1]


def named_guards(name: str, data: bytes) -> tuple[str, tuple[Guard, ...]]:
    """As `guards_of`, with the name that a kept set has in its file; it is empty for any other file."""
    _check_size(name, len(data))
    rows, title = _rows(name, data), ""
    if isinstance(rows, dict) and set(rows) == {"name", "guards"}:
        title, rows = rows["name"], rows["guards"]
        if not isinstance(title, str):
            raise ConfigError(f"{name}: name: write a name, in quotes.")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{name}: write a list of guards, each with a prompt and what must hold.")
    if len(rows) > MOST_GUARDS:
        raise ConfigError(f"{name}: holds {len(rows):,} guards; at most {MOST_GUARDS} can be checked, so split it.")
    found = tuple(_guard(name, number, row) for number, row in enumerate(rows, start=1))
    try:
        check_titles(found)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}.") from error
    return title, found


def _check_size(name: str, size: int) -> None:
    if size > LARGEST_MB * 10**6:
        raise ConfigError(f"{name}: it is larger than {LARGEST_MB} MB, which no list of guards needs.")


def _rows(name: str, data: bytes) -> Any:
    suffix = Path(name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        return read_yaml(_utf8(name, data), name, _TEXTS)
    if suffix in (".json", ".jsonl"):
        return _json_rows(name, data)
    try:
        contents = read_source(name, data)
    except TaskError as error:
        raise ConfigError(str(error)) from error
    (table,) = contents if len(contents) == 1 else (None,)
    if not isinstance(table, Table):
        raise ConfigError(f"{name}: it holds no list of guards; write it as .yaml, .json, .jsonl or one table.")
    if table.left_out or table.remarks:  # of texts to train on a part may be left out; a guard never
        why = " ".join([*(f"{each.where}: {each.reason}." for each in table.left_out), *table.remarks])
        raise ConfigError(
            f"{name}: not all of it can be read as guards ({why}); mend that, since a guard must not be lost."
        )
    return [_cells(row, table.nested) for row in table.frame.to_dict("records")]


def _json_rows(name: str, data: bytes) -> Any:
    """The guards of a JSON list. Raises ConfigError with the line; a field that stands twice is refused."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        doubled = [field for field, times in Counter(field for field, _ in pairs).items() if times > 1]
        if doubled:
            raise ConfigError(f"{name}: the field {quoted(doubled[0])} stands twice in one guard; leave one out.")
        return dict(pairs)

    def read(text: str, line: int) -> Any:
        try:
            return json.loads(text, object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            at = line + getattr(error, "lineno", 1) - 1
            raise ConfigError(f"{name}, line {at}: this is not valid JSON ({shortened(str(error), 200)}).") from error

    text = _utf8(name, data)
    if name.lower().endswith(".json"):
        return read(text, 1)
    return [read(line, number) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _utf8(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: it is not in UTF-8; save it in that encoding.") from error


def _cells(row: dict[Any, Any], nested: Collection[str]) -> dict[str, Any]:
    """The cells that are filled: a table has a column for every field. Lists come as JSON."""
    filled = {str(name): value for name, value in row.items() if isinstance(value, str) and value != ""}
    return {name: json.loads(value) if name in nested else value for name, value in filled.items()}


def _guard(name: str, number: int, row: Any) -> Guard:
    if not isinstance(row, dict):
        raise ConfigError(f"{name}: guard {number}: write its fields with their values, such as prompt: and contains:.")
    try:
        return Guard.model_validate(row)
    except ValidationError as error:
        raise ConfigError(f"{name}: guard {number}: {explain(error, _fields)}") from error


def _fields(place: Location) -> Sequence[str]:
    return list(Guard.model_fields)
