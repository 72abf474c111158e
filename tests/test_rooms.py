"""Rooms stand on floors, and imports run down: from a higher floor to a lower one, or within a room, never in a circle.

The rooms are folders. `FLOORS` is the whole rule, and ARCHITECTURE.md draws it.
"""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from engine.strategies import registry

ROOT = Path(__file__).parent.parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("engine/common", "engine/events"),
    ("engine/tasks/files",),
    ("engine/tasks/documents",),
    ("engine/tasks/tables",),
    ("engine/tasks",),
    ("engine/tokens", "engine/models/cpu"),
    ("engine/models", "engine/guards"),
    ("engine/strategies",),
    ("engine/experiments", "engine/persistence", "figures"),
    ("engine/insight/measures", "engine/harness", "ui/widgets"),
    ("engine/training", "engine/store", "ui/glossary"),
    ("engine/results", "engine/forecast", "engine/housekeeping"),
    ("engine/cards", "engine/execution", "engine/results/effects"),
    ("engine/cluster", "engine/driving"),
    ("engine/running", "ui/compare"),
    ("engine/insight", "ui/compare/parts"),
    ("engine/insight/serving",),
    ("engine", "ui/server"),
    ("ui/manage", "ui/drafts"),
    ("ui/outlook",),
    ("ui/start", "ui/tasks", "ui/experiment", "ui/live", "ui/understand", "ui/runs"),
    ("ui/report", "ui/abilities", "ui/adding", "ui/api"),
    ("pages", "."),
)
"""Lowest first. A file belongs to the longest of these folders that it lies in. Rooms of one floor don't import each
other, but for these."""
WITHIN_A_FLOOR = {("engine/events", "engine/common"), (".", "pages")}
BELOW = {room: number for number, floor in enumerate(FLOORS) for room in floor}
FILES_IN_A_ROOM, LINES_IN_A_FILE, LINES_IN_A_FUNCTION = 14, 350, 60
FOREIGN = {
    "engine": {"streamlit", "plotly"},
    "figures": {"streamlit"},
    "pages": {"sqlalchemy", "torch"},
    "ui": {"sqlalchemy"},
}


def sources() -> list[Path]:
    """Every module of the product."""
    return [
        ROOT / "app.py",
        *(path for folder in ("engine", "figures", "ui", "pages") for path in (ROOT / folder).rglob("*.py")),
    ]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_of(path): path for path in sources()}


def room_of(path: Path) -> str:
    folder = path.relative_to(ROOT).parent
    return next(str(each) for each in (folder, *folder.parents) if str(each) in BELOW)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, inside functions and for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {
                f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in modules() else node.module
                for alias in node.names
            }
    return {name for name in found if name in modules()}


def test_every_folder_is_a_room_and_every_room_is_there() -> None:
    assert {room_of(path) for path in sources()} == {room for floor in FLOORS for room in floor}


def test_imports_run_from_a_higher_floor_to_a_lower_one() -> None:
    wrong = []
    for path in sources():
        for name in imports_of(path):
            here, there = room_of(path), room_of(modules()[name])
            if here != there and BELOW[here] <= BELOW[there] and (here, there) not in WITHIN_A_FLOOR:
                wrong.append(f"{path.relative_to(ROOT)} ({here}) imports {name} ({there})")
    assert wrong == []


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = {module: imports_of(path) for module, path in modules().items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_an_engine_without_pages_and_pages_without_tables_of_the_store() -> None:
    wrong = []
    for path in sources():
        banned = FOREIGN.get(path.relative_to(ROOT).parts[0], set())
        for node in ast.walk(tree_of(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            wrong += [f"{path.relative_to(ROOT)} imports {name}" for name in names if name.split(".")[0] in banned]
    assert wrong == []


def test_a_room_says_what_comes_in_what_goes_out_and_what_it_imports() -> None:
    rooms = [room for floor in FLOORS for room in floor if room not in (".", "pages")]
    for room in rooms:
        says = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert "import" in says, f"{room}/__init__.py does not say what it imports"


def test_rooms_files_and_functions_are_small() -> None:
    large = []
    for room in BELOW:
        files = [path for path in sources() if room_of(path) == room and path.name != "__init__.py"]
        files = [path for path in files if room != "engine/strategies" or path.stem.replace("_", "-") not in registry()]
        if len(files) > FILES_IN_A_ROOM:
            large.append(f"{room} has {len(files)} files")
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > LINES_IN_A_FILE:
            large.append(f"{path.relative_to(ROOT)} has {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                long = (node.end_lineno or 0) - node.lineno + 1
                if long > LINES_IN_A_FUNCTION:
                    large.append(f"{path.relative_to(ROOT)}: {node.name} has {long} lines")
    assert large == []


def test_a_file_is_tested_in_the_room_of_its_name() -> None:
    rooms = {str(path.parent.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    known = {room.removeprefix("engine/") for room in BELOW} | {"browser", "web", "torture", "."}
    assert rooms <= known
