"""The guards of a run in its card."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.cards.markdown import literal, table


@dataclass(frozen=True)
class GuardOutcome:
    """A guard, and what was found of it for this checkpoint."""

    title: str
    holds: bool
    found: str
    """The model's answer, or its likelihoods in words."""


def guard_section(outcomes: Sequence[GuardOutcome]) -> str:
    """What must stay true of the model's answers, and whether it does; "" where nothing was asked."""
    if not outcomes:
        return ""
    broken = sum(not outcome.holds for outcome in outcomes)
    said = "All of them hold." if not broken else f"{broken} of {len(outcomes)} do not hold."
    rows = [
        (literal(outcome.title), "holds" if outcome.holds else "**does not hold**", literal(outcome.found))
        for outcome in outcomes
    ]
    return (
        "## Guards\nPrompts with what must stay true of the answers, held against this checkpoint. "
        f"{said}\n\n{table(('Guard', 'Outcome', 'Found'), rows)}\n"
    )
