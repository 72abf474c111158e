"""Deliberate mistakes, many of which published code has made; the test named beside each must catch it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.events.scores import Score
from engine.persistence import resume_points
from engine.persistence.resume_points import ResumePoints
from tests import methods_mutants as methods
from tests.forecast import mutants as forecast
from tests.insight import mutants as insight
from tests.models import mutants as models
from tests.mutation import Mutant, planted
from tests.persistence import mutants as persistence
from tests.results import mutants as results
from tests.strategies import mutants as strategies
from tests.tasks import mutants as tasks
from tests.tokens import mutants as tokens
from tests.training import mutants as training

ROOMS = tuple(
    room.MUTANTS
    for room in (training, strategies, models, tokens, tasks, persistence, results, forecast, methods, insight)
)
MUTANTS = {name: mistake for room in ROOMS for name, mistake in room.items()}


def test_no_two_mistakes_share_a_name() -> None:
    assert len(MUTANTS) == sum(map(len, ROOMS))


def test_a_planted_mistake_is_gone_afterwards_and_one_that_changes_nothing_is_refused() -> None:
    before = (Score.bits_per_byte.fget.__code__, ResumePoints.save.__code__, resume_points.KEPT)  # type: ignore[attr-defined]
    with planted(MUTANTS["nats for bits"]), planted(MUTANTS["one point alone"]):
        assert Score(2.0, 1, 1, 0).bits_per_byte == 2.0
        assert resume_points.KEPT == 1
    assert Score(2.0, 1, 1, 0).bits_per_byte != 2.0
    assert before == (Score.bits_per_byte.fget.__code__, ResumePoints.save.__code__, 2)  # type: ignore[attr-defined]
    for old, word in (("no such passage", "no longer stands once"), ("SECONDS_APART = 120.0", "reaches no function")):
        void = Mutant(resume_points, ((old, old),), ask)
        with pytest.raises(AssertionError, match=word), planted(void):
            pass


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
