"""Settings that have no effect, of tasks and of strategies, said so that nobody takes them for effective."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine import strategies
from engine.common.parameters import Parameter
from engine.common.quoting import listed
from engine.strategies.base import Strategy

if TYPE_CHECKING:
    from engine.execution.task_tokens import TaskTokens
    from engine.experiments.experiment import Experiment
    from engine.tasks.documents import Kind
    from engine.tasks.spec import TaskSpec

_OF_BEFORE = {"separator": "", "beyond_block": "continue"}
"""As the store has experiments of versions that could not be told either; nobody has set these."""
_UNREAD_REFERENCE = (
    "reference: has no effect, since no strategy here reads it; leave it out, or choose one that does, such as kl with "
    "reference_text: file."
)
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


def ignored_parameters(experiment: Experiment) -> tuple[str, ...]:
    """A sentence on each parameter of a strategy that somebody has set, and to which the others give nothing to do; and
    on a reference text that none reads."""
    runs = experiment.runs_of_one_seed()
    found = dict.fromkeys(remark for run in runs for remark in _of_strategy(run.name, run.parameters))
    if experiment.reference is not None and not experiment.readers_of_reference():
        found[_UNREAD_REFERENCE] = None
    return tuple(found)


def _of_strategy(name: str, values: dict[str, Any]) -> Iterator[str]:
    declared = strategies.parameters_of(name)
    for key, each in declared.items():
        if values[key] == each.default:
            continue
        for other, effective in each.only_with.items():
            place = _beside(key, other, declared)
            if values[place] not in effective:
                with_what = " or ".join(map(str, effective))
                yield (
                    f"{name}.{key}: {_written(values[key])} has no effect with {place}: {values[place]}; leave it "
                    f"out, or choose {place}: {with_what}."
                )
    built = strategies.build(name, {key: values[key] for key in declared})
    for part in getattr(built, "parts", (built,)):
        if not part.acts(2) and not part.redefines("plan"):
            yield from _of_idle(name, part, declared)


def _of_idle(name: str, part: Strategy, declared: dict[str, Parameter]) -> Iterator[str]:
    """On a strategy that acts in no stage: the parameters at 0, but for weights that are declared to make it naive: 0
    is a point on their scale, and a memory of no documents is none."""
    null = () if isinstance(part.null, str) else part.null
    for own, value in part.parameters.items():
        key = own if own in declared else f"{part.name}.{own}"
        if declared[key].main and value == 0 and (own not in null or declared[key].unit == "documents"):
            yield f"{name}.{key}: at 0 {part.name} does nothing; choose more, or leave {part.name} out."


def _beside(key: str, other: str, declared: dict[str, Parameter]) -> str:
    """The key of another parameter of the strategy that has the parameter `key`."""
    part = key.partition(".")[0]
    return other if other in declared else f"{part}.{other}"


def _written(value: Any) -> str:
    """A value as it stands in an experiment file."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
