"""What was changed in an experiment that was made from another one: two experiments come in, words by field go out."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine import strategies
from engine.common.errors import StoreError
from engine.common.numerals import setting
from engine.common.parameters import parameters_of
from engine.common.quoting import shortened
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.origin import Changed, Origin
from engine.experiments.single_run import experiment_of_run
from engine.experiments.training import Training
from engine.store import Store
from engine.strategies.short_names import name_of

NONE = "none"
_LONGEST = 120
_ENDED_EARLY = ("failed", "interrupted", "stopped")


def with_changes(store: Store, origin: Origin, experiment: Experiment) -> Origin:
    """The origin of an experiment that is to be started, with what was changed in it. A run that ended early is edited,
    all else is duplicated. As it came where the earlier one is not in the store any more."""
    try:
        before, kind = store.experiment(origin.experiment_id), origin.kind
        if origin.run_id is not None:
            before = experiment_of_run(before, store.run_spec(origin.run_id)[1])
            status = store.runs(run_ids=[origin.run_id])["status"].item()
            kind = "edited" if status in _ENDED_EARLY else "duplicated"
    except StoreError:
        return origin
    return replace(origin, kind=kind, changed=differences(before, experiment))


def differences(before: Experiment, after: Experiment) -> Changed:
    """What stands otherwise in `after`: what it was and what it is, by the words for it. A new name is no change."""
    pairs = {
        "model": (before.model, after.model),
        "tasks": (_arrows(task.name for task in before.tasks), _arrows(task.name for task in after.tasks)),
        "orders of the tasks": (_orders(before), _orders(after)),
        **_of_tasks(before, after),
        "strategies": (_joined(s.name for s in before.strategies), _joined(s.name for s in after.strategies)),
        **_of_strategies(before, after),
        "seeds": (_joined(map(str, before.seeds)), _joined(map(str, after.seeds))),
        **_of_training(before.training, after.training),
        "general text": _texts(before.general, after.general),
        "reference text": _texts(before.reference, after.reference),
        "guards": _lists(before.guards, after.guards),
        "checkpoints": (before.checkpoints, after.checkpoints),
        **_of_fields("", before.resources.model_dump(), after.resources.model_dump()),
    }  # fmt: skip
    return {name: [shortened(was, _LONGEST), shortened(now, _LONGEST)] for name, (was, now) in pairs.items()
            if was != now}  # fmt: skip


_Pairs = dict[str, tuple[str, str]]


def _of_tasks(before: Experiment, after: Experiment) -> _Pairs:
    """What is otherwise in tasks that both have."""
    found: _Pairs = {}
    known = {task.name: task for task in before.tasks}
    for task in after.tasks:
        if (earlier := known.get(task.name)) is None or earlier == task:
            continue
        own = _of_fields(f"of {task.name}", earlier.overrides.given, task.overrides.given)
        found |= own or {f"texts of {task.name}": ("as they were", "others, or read in another way")}
    return found


def _of_strategies(before: Experiment, after: Experiment) -> _Pairs:
    """What is otherwise in the values of strategies that both name once."""
    found: _Pairs = {}
    for name in dict.fromkeys(spec.name for spec in after.strategies):
        was, now = ([spec for spec in each.strategies if spec.name == name] for each in (before, after))
        if len(was) == len(now) == 1:
            labels = {key: declared.label for key, declared in strategies.parameters_of(name).items()}
            title = name_of(name, {})
            found |= _of_fields(f"of {title}", _values(was[0]), _values(now[0]), labels)
        elif was and list(map(_values, was)) != list(map(_values, now)):
            found[f"settings of {name_of(name, {})}"] = _lists(was, now)
    return found


def _values(spec: StrategySpec) -> dict[str, Any]:
    """The values of each parameter in all runs of a strategy, without doubles; one that all runs share alone."""
    every = spec.resolve_all()
    several = {name: [*dict.fromkeys(values.get(name) for values in every)] for values in every for name in values}
    return {name: values[0] if len(values) == 1 else values for name, values in several.items()}


def _of_training(before: Training, after: Training) -> _Pairs:
    declared = parameters_of(Training)
    was, now = ({each.name: getattr(own, each.name) for each in declared} for own in (before, after))
    return _of_fields("", was, now, {each.name: each.label for each in declared})


def _of_fields(
    of: str, before: Mapping[str, Any], after: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> _Pairs:
    """The pairs of all fields that differ, by the words for a field."""
    found: _Pairs = {}
    for name in dict.fromkeys((*before, *after)):
        was, now = before.get(name), after.get(name)
        if was != now:
            called = _within_a_sentence((labels or {}).get(name, name.replace("_", " ")))
            found[f"{called} {of}".strip()] = (_text(was), _text(now))
    return found


def _within_a_sentence(label: str) -> str:
    return label[:1].lower() + label[1:] if label[1:2].islower() else label


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return _joined(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return setting(value)
    return NONE if value is None else str(value)


def _texts(before: Any, after: Any) -> tuple[str, str]:
    """The names of two texts; told apart where other texts have the same name."""
    was, now = (NONE if text is None else str(text.name) for text in (before, after))
    return (was, f"{now} (another text)" if was == now and before != after else now)


def _lists(before: Any, after: Any) -> tuple[str, str]:
    was, now = str(len(before)), str(len(after))
    return (was, f"{now} others" if was == now and before != after else now)


def _orders(experiment: Experiment) -> str:
    orders = experiment.orders
    if isinstance(orders, tuple):
        return "; ".join(_arrows(order) for order in orders)
    return "as listed" if orders is None else str(orders)


def _arrows(names: Iterable[str]) -> str:
    return " → ".join(names)


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names) or NONE
