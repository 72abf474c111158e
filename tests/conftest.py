"""What tests share. Quick tests first: what drives a browser comes last."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.store import Store

# How fast examples are drawn says how busy the machine is, and nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


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
