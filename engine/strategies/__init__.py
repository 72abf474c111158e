"""A name and parameters come in; a strategy goes out: what a step minimises and what is remembered between stages.

This is the registry: adding a strategy is a file in this folder and a line in `_STRATEGIES`. The room imports `models`,
`tokens` and `common`.
"""

from typing import Any

from pydantic import ValidationError

from engine.common.errors import ConfigError
from engine.common.explanations import did_you_mean, in_words
from engine.common.overrides import OVERRIDES, Overrides
from engine.common.quoting import quoted, shortened
from engine.strategies.base import Strategy
from engine.strategies.combined import Combined
from engine.strategies.ewc import EWC
from engine.strategies.joint import Joint
from engine.strategies.naive import Naive
from engine.strategies.replay import Replay

_STRATEGIES: tuple[type[Strategy], ...] = (Naive, Replay, EWC, Joint)
_BY_NAME = {strategy.name: strategy for strategy in _STRATEGIES}
if len(_BY_NAME) < len(_STRATEGIES):
    raise RuntimeError("two strategies share a name")
if any(set(OVERRIDES) & set(strategy.__pydantic_fields__) for strategy in _STRATEGIES):  # type: ignore[attr-defined]
    raise RuntimeError("a strategy declares a parameter that every strategy takes as an override")


def registry() -> dict[str, type[Strategy]]:
    """Every strategy class by name."""
    return dict(_BY_NAME)


def offered() -> tuple[str, ...]:
    """The names that pages offer; any others that `build` takes may stand in an experiment file."""
    return ("naive", "replay", "ewc", "replay+ewc", "joint")


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


def penalises(name: str) -> bool:
    """Whether what is behind a name puts a penalty on the weights; false for a name that is not known."""
    try:
        return any(part.penalties is not Strategy.penalties for part in parts_of(name))
    except ConfigError:
        return False


def build(name: str, parameters: dict[str, Any]) -> Strategy:
    """The strategy with these parameter values, the others at their defaults. The overrides among the values are
    checked and no part of it: `overrides_of` has them.

    Raises ConfigError, which names the parameter, for what is unknown or out of range.
    """
    classes = parts_of(name)
    declared = [set(cls.__pydantic_fields__) for cls in classes]  # type: ignore[attr-defined]
    every = set(OVERRIDES).union(*declared)
    unknown = sorted(set(parameters) - every)
    if unknown:
        known = ", ".join(sorted(every))
        near = did_you_mean(unknown[0], every).rstrip("?")
        raise ConfigError(f"{name}.{shortened(unknown[0])}: there is no such parameter{near}; {name} has: {known}")
    parts = []
    for cls, names in zip(classes, declared, strict=True):
        try:
            parts.append(cls(**{key: value for key, value in parameters.items() if key in names}))
        except ValidationError as error:
            problem = error.errors()[0]
            raise ConfigError(f"{name}.{problem['loc'][0]}: {in_words(problem)}") from error
    overrides_of(name, parameters)
    return parts[0] if len(parts) == 1 else Combined(tuple(parts))


def overrides_of(name: str, parameters: dict[str, Any]) -> Overrides:
    """The training settings among the parameter values of the strategy `name`. Raises ConfigError, which names the one
    that is out of range."""
    try:
        return Overrides(**{key: value for key, value in parameters.items() if key in OVERRIDES})
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(f"{name}.{problem['loc'][0]}: {in_words(problem)}") from error


def resolved(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The value of every parameter, and the overrides that are set. Raises ConfigError as `build` does."""
    return build(name, parameters).parameters | overrides_of(name, parameters).given
