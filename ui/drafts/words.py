"""What the Experiment page says of its draft."""

from collections.abc import Sequence
from datetime import datetime

from engine.common.quoting import listed, quoted, shortened

TAKE_NEWER = "Take over the newer one"
TAKE_BACK = "Bring it back"
HELP_TAKE_NEWER = "Show what was entered in the other tab or browser, in place of what stands here."
HELP_TAKE_BACK = "Put what was entered before in the place of what stands here."
CLEARED = "The form was cleared."
REPLACED = "This began as a copy, and took the place of what was entered before."
GUARD_COLUMNS = {
    "name": "Name", "prompt": "Prompt", "kind": "What must hold", "value": "Value", "than": "Than / at most",
    "chat": "Chat", "answer_tokens": "Answer tokens",
}  # fmt: skip
GUARD_KINDS = {
    "contains": "answer contains", "equals": "answer equals", "matches": "answer matches",
    "likelier": "likelier is", "loss_at_most": "loss at most",
}  # fmt: skip
CHOOSE_KIND = f"{GUARD_COLUMNS['kind']}: choose one of {', '.join(GUARD_KINDS.values())}."
THAN_GOES_WITH = (
    f"{GUARD_COLUMNS['than']}: it goes with '{GUARD_KINDS['likelier']}' and '{GUARD_KINDS['loss_at_most']}'; empty it."
)
NEEDS_LESS_LIKELY = f"{GUARD_COLUMNS['than']}: write at least one continuation that must be less likely."
NEEDS_NUMBER = f"{GUARD_COLUMNS['than']}: write one number, the largest loss in nats per token."
NEEDS_TASK = "Choose at least one task."
NEEDS_MODEL = "Name the model: a causal language model of the hub, or a local folder."
NEEDS_STRATEGY = "Switch on at least one strategy."
THIS_EXPERIMENT = "This experiment"
MEND_GUARDS = "Mend the guards first: what is wrong with them stands below their table."
DISMISS, HELP_DISMISS = "Dismiss", "Keep what stands here."
A_STRATEGY, STRATEGIES, GUARDS = "a strategy", "strategies", "guards"
DRAFT_PARTS = {
    "name": "name",
    "task_names": "tasks",
    "file_tasks": "tasks of a loaded file",
    "reference": "text of your own",
    "file_reference": "text of your own",
    "general": "general text",
    "file_general": "general text",
    "task_overrides": "settings of single tasks",
    "model": "model",
    "seeds": "seeds",
    "preset": "preset",
    "training": "training settings",
    "limits": "limits of the preset",
    "limits_of": "limits of the preset",
    "resources": "where it runs",
    "orders": "orders",
    "checkpoints": "checkpoints that are kept",
    "edited_run": "run that is started again",
    "made_from": "experiment that it is a copy of",
}
"""What people call the fields of a draft."""


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


def values_of(strategy: str) -> str:
    return f"values of {strategy}"


def guard_mistake(number: int, title: str, mistake: str) -> str:
    """What is wrong with a guard; `title` is "" where it has none."""
    named = f" ({quoted(shortened(title, 40))})" if title else ""
    return f"Guard {number}{named}: {mistake}"


def too_many_guards(guards: int, most: int) -> str:
    return f"These are {guards:,} guards, and one experiment takes {most}; delete some."


def name_mistake(mistake: str) -> str:
    return f"Name: {mistake}."


def choose_reference(strategy: str) -> str:
    return f"Choose the text of your own in the form of {strategy}."


def general_gone(name: str) -> str:
    return f"The general text '{name}' is no longer in the library; choose another one."


def times_that_of_training(factor: float) -> str:
    return f"{factor:g} times that of training"


def rate_help(empty: str) -> str:
    """The help of a strategy's own learning rate; `empty` is what an empty field means."""
    return f"Peak of AdamW's learning rate; empty: {empty}, or a task's own."
