"""A draft as plain data, as the store keeps it, and back: whatever is entered comes back the same, valid or not."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.overrides import Overrides
from engine.common.parameters import Parameter, parameters_of
from engine.experiments.kept_checkpoints import KEEPS
from engine.experiments.orders import as_orders
from engine.experiments.presets import PRESETS, QUICK
from engine.experiments.resources import Resources
from engine.experiments.training import Training
from engine.guards.guard import KINDS
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, ReferenceSpec
from ui.drafts import words
from ui.drafts.draft import Card, ExperimentDraft, add_cards, declared_parameters, defaults_of, training_values
from ui.drafts.guard_rows import TEXTS, Row
from ui.drafts.words import GUARD_COLUMNS

Content = dict[str, Any]
FORM = 1
"""Raised where a field's data mean something else than before; what then still fits is taken all the same."""
_WORKED_OUT = ("limits", "limits_of")
"""The fields that nobody enters."""


def content_of(draft: ExperimentDraft) -> Content:
    """Plain data that `draft_from` reads back."""
    cards = [
        {"strategy": card.strategy, "on": card.on, "values": dict(card.values), "several": card.several,
         "texts": dict(card.texts)}
        for card in draft.cards
    ]  # fmt: skip
    guards = draft.guards
    orders = [list(each) for each in draft.orders] if isinstance(draft.orders, tuple) else draft.orders
    return {
        "form": FORM, "name": draft.name, "task_names": list(draft.task_names),
        "file_tasks": [task.model_dump(mode="json") for task in draft.file_tasks.values()],
        "reference": draft.reference,
        "file_reference": draft.file_reference and draft.file_reference.model_dump(mode="json"),
        "general": list(draft.general),
        "file_general": draft.file_general and draft.file_general.model_dump(mode="json"),
        "guards": {"rows": guards.rows, "own": guards.own, "is_open": guards.is_open, "set_id": guards.set_id},
        "task_overrides": {
            name: given for name, values in draft.task_overrides.items()
            if (given := {each: value for each, value in values.items() if value is not None})
        },
        "model": draft.model, "cards": cards, "seeds": draft.seeds, "preset": draft.preset,
        "training": dict(draft.training), "limits": dict(draft.limits), "limits_of": draft.limits_of,
        "resources": dict(draft.resources), "orders": orders, "checkpoints": draft.checkpoints,
        "made_from": draft.made_from and list(draft.made_from), "edited_run": draft.edited_run,
    }  # fmt: skip


def entered(content: Content) -> Content:
    """What somebody has entered, without what was worked out for it."""
    kept = {name: value for name, value in content.items() if name not in _WORKED_OUT}
    preset = training_values(PRESETS[content["preset"]])
    if content["preset"] == QUICK:
        preset |= content["limits"]
    return kept | {"training": {name: value for name, value in content["training"].items() if value != preset[name]}}


def draft_from(content: Content) -> tuple[ExperimentDraft, list[str]]:
    """The draft that was kept, and a name for each part of it that can't be read any more and is as in a new one."""
    draft, unread = ExperimentDraft(), list[str]()
    for name, read in _READERS.items():
        try:
            setattr(draft, name, read(content[name]))
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError, ValidationError):
            unread.append(words.DRAFT_PARTS[name])
    try:
        _take_guards(draft, content["guards"])
    except (KeyError, TypeError, ValueError):
        unread.append(words.GUARDS)
    unread += _take_cards(draft, content.get("cards"))
    return draft, unread


def _take_guards(draft: ExperimentDraft, content: Content) -> None:
    rows, own = [_row(each) for each in content["rows"]], [_row(each) for each in content["own"]]
    is_open, set_id = _of(bool)(content["is_open"]), _of(str)(content["set_id"])
    draft.guards.take(rows, set_id, is_open)
    draft.guards.own = own


def _take_cards(draft: ExperimentDraft, content: Any) -> list[str]:
    """Put the cards into the draft; returns the strategies that can't be read, and their values."""
    unread = []
    for number, each in enumerate(content if isinstance(content, list) else [], start=1):
        try:
            strategy = _of(str)(each["strategy"])
            declared = {parameter.name: parameter for parameter in declared_parameters(strategy)}
            found = {name: value for name, value in each["values"].items() if _fits(declared.get(name), value)}
            texts = {name: _of(str)(text) for name, text in each["texts"].items() if name in declared}
            on, several = _of(bool)(each["on"]), _of(bool)(each["several"])
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError):
            unread.append(words.A_STRATEGY)
            continue
        if len(found) < len(each["values"]):
            unread.append(words.values_of(strategies.title_of(strategy)))
        draft.cards.append(Card(number, strategy, on, defaults_of(strategy) | found, several, texts))
    if not draft.cards:
        unread.append(words.STRATEGIES)
    add_cards(draft)
    return unread


def _fits(declared: Parameter | None, value: Any) -> bool:
    """Whether a field of a parameter can show a value: of its type, and within what it takes."""
    if declared is None:
        return False
    if declared.choices:
        return value in declared.choices
    if value is None:
        return declared.type is not bool
    if declared.type in (bool, str):
        return isinstance(value, declared.type)
    if isinstance(value, bool) or not isinstance(value, int | float if declared.type is float else int):
        return False
    low, high = declared.minimum, declared.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _of(kind: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _texts(value: Any) -> list[str]:
    return [_of(str)(each) for each in _of(list)(value)]


def _values(settings: type, defaults: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]]:
    declared = {parameter.name: parameter for parameter in parameters_of(settings)}

    def read(value: Any) -> dict[str, Any]:
        if not all(_fits(declared.get(name), each) for name, each in value.items()):
            raise ValueError("a value that its field does not take")
        return dict(defaults) | dict(value)

    return read


def _overrides(value: Any) -> dict[str, dict[str, Any]]:
    read = _values(Overrides, {})
    return {_of(str)(name): read(values) for name, values in value.items()}


def _file_tasks(value: Any) -> dict[str, TaskSpec]:
    return {task.name: task for task in map(TaskSpec.model_validate, value)}


def _pair(value: Any) -> tuple[str, str]:
    first, second = _texts(value)
    return first, second


def _preset(value: Any) -> str:
    if value not in PRESETS:
        raise ValueError("no preset of that name")
    return str(value)


def _row(value: Any) -> Row:
    if set(value) != set(GUARD_COLUMNS) or value["kind"] not in (*KINDS, ""):
        raise ValueError("a guard of another form")
    tokens = value["answer_tokens"]
    texts = {column: _of(str)(value[column]) for column in TEXTS}
    return {**texts, "than": _texts(value["than"]), "chat": _of(bool)(value["chat"]),
            "answer_tokens": None if tokens is None else _of(int)(tokens)}  # fmt: skip


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _of(str),
    "task_names": _texts,
    "file_tasks": _file_tasks,
    "reference": lambda value: value and _of(str)(value),
    "file_reference": lambda value: value and ReferenceSpec.model_validate(value),
    "general": _pair,
    "file_general": lambda value: value and GeneralSpec.model_validate(value),
    "task_overrides": _overrides,
    "model": _of(str),
    "seeds": _of(str),
    "preset": _preset,
    "training": _values(Training, training_values(PRESETS[QUICK])),
    "limits": _values(Training, {}),
    "limits_of": _of(str),
    "resources": _values(Resources, Resources().model_dump()),
    "orders": as_orders,
    "checkpoints": lambda value: KEEPS[KEEPS.index(value)],
    "edited_run": lambda value: value and _of(str)(value),
    "made_from": lambda value: None if value is None else _pair(value),
}
"""The fields of a draft by name, and how their data are read; `words.DRAFT_PARTS` is what people call them."""
