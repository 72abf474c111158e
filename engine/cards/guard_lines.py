"""The guards of a run in its card."""

from collections.abc import Sequence

from engine.cards.markdown import literal, table
from engine.results.guard_histories import GuardHistory


def guard_section(histories: Sequence[GuardHistory], tasks: Sequence[str]) -> str:
    """What must stay true of the model's answers, and whether it does; "" where nothing was asked."""
    if not histories:
        return ""
    broken = sum(not history.holds for history in histories)
    said = "All of them hold." if not broken else f"{broken} of {len(histories)} do not hold."
    rows = [(literal(each.guard.title), _outcome(each, tasks), literal(each.outcomes[-1].found)) for each in histories]
    return (
        "## Guards\nPrompts with what must stay true of the answers, held against this checkpoint. "
        f"{said}\n\n{table(('Guard', 'Outcome', 'Found'), rows)}\n"
    )


def _outcome(history: GuardHistory, tasks: Sequence[str]) -> str:
    if history.holds:
        return "holds"
    stage = history.lost_at
    since = "as for the base model" if stage is None else f"since stage {stage} ({literal(tasks[stage - 1])})"
    return f"**does not hold**, {since}"
