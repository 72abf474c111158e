"""What tests share. Quick tests first: what drives a browser comes last."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one under `tmp_path / "data"`."""
    made = Store(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def rules_are_looked_up_anew() -> None:
    """What one test lets in, the next need not: rules hold for a moment."""
    if "ui.server.entrance" in sys.modules:
        sys.modules["ui.server.entrance"].forget_rules()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
