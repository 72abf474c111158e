"""Deliberate mistakes, many of which published code has made; the test named beside each must catch it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutation import planted
from tests.persistence import mutants as persistence
from tests.results import mutants as results
from tests.strategies import mutants as strategies
from tests.tasks import mutants as tasks
from tests.tokens import mutants as tokens
from tests.training import mutants as training

ROOMS = tuple(room.MUTANTS for room in (training, strategies, tokens, tasks, persistence, results))
MUTANTS = {name: mistake for room in ROOMS for name, mistake in room.items()}


def test_no_two_mistakes_share_a_name() -> None:
    assert len(MUTANTS) == sum(map(len, ROOMS))


def ask(oracle: Callable[..., None], arguments: tuple[tuple[str, Any], ...], folder: Path) -> None:
    """Run a test with what it asks for, in a fresh folder."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        fixtures = {"tmp_path": folder, "monkeypatch": monkeypatch}
        wanted = inspect.signature(oracle).parameters
        oracle(**{name: value for name, value in fixtures.items() if name in wanted}, **dict(arguments))


_PASSED: set[object] = set()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mistake_is_caught(name: str, tmp_path: Path) -> None:
    mistake = MUTANTS[name]
    if (mistake.oracle, mistake.arguments) not in _PASSED:  # without a mistake it passes; asked once a test
        ask(mistake.oracle, mistake.arguments, tmp_path / "before")
        _PASSED.add((mistake.oracle, mistake.arguments))
    with planted(mistake), pytest.raises((AssertionError, pytest.fail.Exception)):
        ask(mistake.oracle, mistake.arguments, tmp_path / "mistaken")
