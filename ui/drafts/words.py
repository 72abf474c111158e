"""What the Experiment page says of its draft."""

from collections.abc import Sequence
from datetime import datetime

from engine.common.quoting import listed

TAKE_NEWER = "Take over the newer one"
TAKE_BACK = "Bring it back"
HELP_TAKE_NEWER = "Show what was entered in the other tab or browser, in place of what stands here."
HELP_TAKE_BACK = "Put what was entered before in the place of what stands here."
CLEARED = "The form was cleared."
REPLACED = "This began as a copy, and took the place of what was entered before."


def changed_elsewhere(at: float) -> str:
    return f"{_in_another_tab(at)} What stands here is older."


def overtaken(at: float) -> str:
    return f"{_in_another_tab(at)} What you have entered here since has taken its place."


def unread(parts: Sequence[str]) -> str:
    return f"Of the draft that was kept, this can't be read any more and is as in a new one: {listed(list(parts))}."


def not_kept(why: str) -> str:
    return f"What is entered here is not kept: {why}"


def _in_another_tab(at: float) -> str:
    return f"This draft was changed in another tab or browser at {datetime.fromtimestamp(at):%H:%M}."
