"""Arrows point one way: pages → ui, figures, engine; figures → nothing of ours but how numbers are written; engine → no
Streamlit, no Plotly."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "engine": {"streamlit", "plotly", "figures", "ui", "pages", "app"},
    "engine/strategies": {"engine.store", "engine.runner", "engine.drive", "engine.training", "engine.execute"},
    "engine/tasks": {"engine.store", "engine.training", "engine.strategies", "engine.runner"},
    "figures": {"streamlit", "engine", "ui", "pages"},
    "ui": {"pages", "sqlalchemy"},
    "pages": {"sqlalchemy", "engine.training", "engine.strategies.ewc", "engine.strategies.replay"},
}
ALLOWED = {"figures": {"engine.numerals", "engine.numerals.written"}}


def imported(path: Path) -> set[str]:
    """Every module name that a file imports, at any depth of the code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_layer_imports_nothing_from_above_it(folder: str) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        for banned in FORBIDDEN[folder]
        if (name == banned or name.startswith(banned + ".")) and name not in ALLOWED.get(folder, ())
    ]
    assert wrong == []
