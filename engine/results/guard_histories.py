"""What became of each guard over a run: where it held, and the stage since which it holds no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.events.scores import GuardOutcome
from engine.guards.guard import Guard


@dataclass(frozen=True)
class GuardHistory:
    """A guard, and what became of it from the base model (first) to the last stage that was checked."""

    guard: Guard
    outcomes: tuple[GuardOutcome, ...]

    @property
    def holds(self) -> bool:
        """Whether it holds for the last model."""
        return self.outcomes[-1].holds

    @property
    def lost_at(self) -> int | None:
        """The stage after which it held no more, to the end; None where it holds, or never did."""
        held = [stage for stage, outcome in enumerate(self.outcomes) if outcome.holds]
        return None if self.holds or not held else held[-1] + 1

    @property
    def plain(self) -> dict[str, Any]:
        """As `results.json` holds it."""
        return {
            "guard": self.guard.title,
            "holds": self.holds,
            "by_stage": [outcome.holds for outcome in self.outcomes],
            "lost_at": self.lost_at,
            "found": self.outcomes[-1].found,
        }


def guard_histories(outcomes: pd.DataFrame, guards: Sequence[Guard]) -> list[GuardHistory]:
    """The histories of one run's guards, in their order, from `Store.guard_outcomes`; none before the base model was
    checked."""
    if outcomes.empty:
        return []
    ordered = outcomes.sort_values(["number", "stage"], kind="stable")
    by_number: Mapping[Any, pd.DataFrame] = dict(list(ordered.groupby("number")))
    return [
        GuardHistory(
            guard,
            tuple(
                GuardOutcome(bool(holds), str(found))
                for holds, found in zip(by_number[number]["holds"], by_number[number]["found"], strict=True)
            ),
        )
        for number, guard in enumerate(guards)
    ]
