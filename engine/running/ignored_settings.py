"""Settings of a task that its texts give nothing to do, said so that nobody takes them for effective."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from engine.common.quoting import listed

if TYPE_CHECKING:
    from engine.running.task_tokens import TaskTokens
    from engine.tasks.documents import Kind
    from engine.tasks.spec import TaskSpec

_OF_BEFORE = {"separator": "", "beyond_block": "continue"}
"""As the store has experiments of versions that could not be told either; nobody has set these."""
_JOINING, _RENDERING = ("separator", "beyond_block"), ("template", "learn")


def ignored_settings(spec: TaskSpec, kind: Kind) -> str:
    """One sentence on the settings that have no effect on texts of this kind; "" where there are none."""
    if kind == "text":
        names = _set(spec, *_JOINING, *_RENDERING)
        why = (
            "the task holds plain texts. If they are pairs or conversations, name their columns (prompt_column and "
            "completion_column, or messages_column)"
        )
    elif kind == "chat":
        names, why = _set(spec, *_JOINING), "conversations are joined by their chat template"
    elif spec.template != "auto":
        names, why = _set(spec, *_JOINING), f"with template: {spec.template} pairs are rendered as conversations"
    else:
        names, why = _set(spec, "learn"), "of pairs the completion alone is learnt, unless a template is set"
    if not names:
        return ""
    return f"{listed(names)} {'has' if len(names) == 1 else 'have'} no effect: {why}."


def with_ignored_settings(spec: TaskSpec, found: TaskTokens) -> TaskTokens:
    """The task with the sentence among its remarks."""
    remark = ignored_settings(spec, found.reading.kind)
    if not remark:
        return found
    reading = dataclasses.replace(found.reading, remarks=(*found.reading.remarks, remark))
    return dataclasses.replace(found, reading=reading)


def _set(spec: TaskSpec, *names: str) -> list[str]:
    """Those that are not at their defaults, and that somebody has set."""
    of_before = all(getattr(spec, name) == value for name, value in _OF_BEFORE.items())
    set_by_nobody = _OF_BEFORE if of_before else {}
    return [name for name in names if getattr(spec, name) != _default(spec, name) and name not in set_by_nobody]


def _default(spec: TaskSpec, name: str) -> object:
    return type(spec).model_fields[name].default
