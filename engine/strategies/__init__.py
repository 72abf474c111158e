"""A name and parameters come in; a strategy goes out: what a step minimises and what is remembered between stages.

This is the registry: adding a strategy is a file in this folder and its name, one line in `_NAMES`. The room imports
`models`, `tokens` and `common`.
"""

import math
from functools import lru_cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from engine.common.errors import ConfigError
from engine.common.explanations import did_you_mean, in_words
from engine.common.overrides import OVERRIDES, Overrides
from engine.common.parameters import Parameter, no_boolean
from engine.common.parameters import parameters_of as declared_by
from engine.common.quoting import quoted, shortened
from engine.strategies.base import Needs, Strategy
from engine.strategies.combined import Combined, joined_title, keys_of

_NAMES = (
    "naive",
    "replay",
    "ewc",
    "joint",
    "kl",
    "self-replay",
    "der",
    "agem",
    "l2",
    "averaging",
    "reptile",
    "cumulative",
    "freeze",
    "mask",
    "lora",
)
"""In the order in which pages offer them. The strategy NAME stands in the file NAME.py, "-" written as "_"."""


def _strategy(name: str) -> type[Strategy]:
    """The strategy of this name from its file. Raises RuntimeError for a file that does not hold it, and for one that
    declares a parameter which every strategy takes as an override."""
    module = import_module(f"{__name__}.{name.replace('-', '_')}")
    here = [each for each in vars(module).values() if getattr(each, "__module__", "") == module.__name__]
    found = [each for each in here if isinstance(each, type) and issubclass(each, Strategy) and each.name == name]
    if len(found) != 1:
        raise RuntimeError(f"{module.__name__} must hold one strategy called {name!r}")
    if set(OVERRIDES) & set(found[0].__pydantic_fields__):  # type: ignore[attr-defined]
        raise RuntimeError(f"{name} declares a parameter that every strategy takes as an override")
    return found[0]


_BY_NAME = {name: _strategy(name) for name in _NAMES}
if len(_BY_NAME) < len(_NAMES):
    raise RuntimeError("two strategies share a name")


def registry() -> dict[str, type[Strategy]]:
    """Every strategy class by name."""
    return dict(_BY_NAME)


def offered() -> tuple[str, ...]:
    """The names that pages offer: every strategy, and after it the pairs that it declares. Any others that `build`
    takes may stand in an experiment file."""
    return tuple(
        name
        for strategy in _BY_NAME.values()
        for name in (strategy.name, *(f"{other}+{strategy.name}" for other in strategy.offered_with))
    )


def parts_of(name: str) -> tuple[type[Strategy], ...]:
    """The classes behind a name; "replay+ewc" has two. Raises ConfigError for an unknown one."""
    names = [part.strip() for part in name.split("+")]
    for part in names:
        if part not in _BY_NAME:
            raise ConfigError(
                f"strategy {quoted(part)} is not known{did_you_mean(part, _BY_NAME).rstrip('?')}; "
                f"choose from {', '.join(_BY_NAME)}, or join two with +"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"strategy {quoted(name)} names the same strategy twice")
    return tuple(_BY_NAME[part] for part in names)


def title_of(name: str) -> str:
    """The title of a strategy, or of several that are joined. Raises ConfigError for an unknown name."""
    return joined_title(parts_of(name))


def needs_of(name: str) -> tuple[Needs, ...]:
    """What a strategy needs, the group that it is offered in first. Of joined strategies the one that needs most
    decides on it: who may keep no old text must not find a pair that keeps some under another heading. Raises
    ConfigError for an unknown name."""
    parts = parts_of(name)
    if len(parts) == 1:
        return parts[0].needs
    by_weight: tuple[Needs, ...] = ("old texts", "a second copy of the weights", "fewer weights", "nothing")
    own = {needs for part in parts for needs in part.needs}
    return tuple(needs for needs in by_weight if needs in own and (needs != "nothing" or len(own) == 1))


def heading_of(*needs: Needs) -> str:
    """The heading of the strategies that need this; of several needs a sentence without its full stop."""
    wanted = [f"{each}{' more' * (each == 'nothing')}" for each in needs if each != "fewer weights"]
    said = [f"needs {' and '.join(wanted)}"] * bool(wanted) + ["trains fewer weights"] * ("fewer weights" in needs)
    return "; ".join(said).capitalize()


def pull_names(name: str) -> tuple[str, ...]:
    """The names under which the pulls of a strategy are reported; none for a name that is not known."""
    try:
        return tuple(f"{part.name} pull" for part in parts_of(name) if part.pulls is not Strategy.pulls)
    except ConfigError:
        return ()


def parameters_of(name: str) -> dict[str, Parameter]:
    """The declared parameters behind a name, by the key that each has in `build`; two of one name in two parts are
    told apart by the part, as in "replay.memory_size". Raises ConfigError for an unknown name."""
    return dict(_declared(parts_of(name))[0])


@lru_cache(maxsize=256)
def _declared(classes: tuple[type[Strategy], ...]) -> tuple[dict[str, Parameter], dict[tuple[str, str], str]]:
    """The declared parameters of joined strategies by their keys, and the keys by part and parameter. A form asks for
    them thousands of times."""
    declared = {(cls.name, each.name): each for cls in classes for each in declared_by(cls)}
    keys = keys_of([[each.name for each in declared_by(cls)] for cls in classes], [cls.name for cls in classes])
    return {key: declared[place] for place, key in keys.items()}, keys


def build(name: str, parameters: dict[str, Any]) -> Strategy:
    """The strategy with these parameter values, the others at their defaults. The overrides among the values are
    checked and no part of it: `overrides_of` has them.

    Raises ConfigError, which names the parameter, for what is unknown, out of range, or can't be combined.
    """
    classes = parts_of(name)
    declared, places = _declared(classes)
    known = [*declared, *OVERRIDES]
    own: dict[str, dict[str, Any]] = {cls.name: {} for cls in classes}
    for (part, parameter), key in places.items():
        given = sorted({key, f"{part}.{parameter}"} & parameters.keys())
        if len(given) > 1:
            raise ConfigError(f"{name}: {given[0]} and {given[1]} are the same parameter; give one of them")
        for each in given:
            _refuse_boolean(name, each, parameters[each], declared[key].type)
            own[part][parameter] = parameters[each]
    unknown = sorted(set(parameters) - set(known) - {f"{part}.{parameter}" for part, parameter in places})
    if unknown:
        near = did_you_mean(unknown[0], known).rstrip("?")
        shared = [key for key in known if key.endswith(f".{unknown[0]}")]
        if shared:
            raise ConfigError(
                f"{name}.{unknown[0]}: more than one of its strategies has this parameter; write {' or '.join(shared)}"
            )
        raise ConfigError(
            f"{name}.{shortened(unknown[0])}: there is no such parameter{near}; {name} has: {', '.join(known)}"
        )
    parts = []
    for cls in classes:
        try:
            parts.append(cls(**own[cls.name]))
        except ValidationError as error:
            problem = error.errors()[0]
            parameter = str(problem["loc"][0])
            key = places.get((cls.name, parameter), parameter)
            raise ConfigError(f"{name}.{key}: {in_words(problem)}") from error
    overrides_of(name, parameters)
    return parts[0] if len(parts) == 1 else Combined(tuple(parts))


def _refuse_boolean(name: str, key: str, value: Any, wanted: type) -> None:
    try:
        if wanted is not bool:
            no_boolean(value)
    except ValueError as error:
        raise ConfigError(f"{name}.{key}: {error}") from error


def overrides_of(name: str, parameters: dict[str, Any]) -> Overrides:
    """The training settings among the parameter values of the strategy `name`. Raises ConfigError, which names the one
    that is out of range."""
    try:
        return Overrides(**{key: value for key, value in parameters.items() if key in OVERRIDES})
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"{name}.{problem['loc'][0]}: {in_words(problem)}") from error


def rate_factor_of(name: str) -> float:
    """Times the experiment's learning rate, that of the strategy `name` where none is set for it or for a task. Raises
    ConfigError for an unknown name."""
    return math.prod(part.rate_factor for part in parts_of(name))


def resolved(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The value of every parameter, and the overrides that are set. Raises ConfigError as `build` does."""
    return build(name, parameters).parameters | overrides_of(name, parameters).given
