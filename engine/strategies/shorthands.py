"""Numbers that people write in place of several parameters of a strategy, such as `old_text_percent` of replay."""

from collections.abc import Mapping
from typing import Any

from engine.common.errors import ConfigError
from engine.common.parameters import Shorthand
from engine.common.parameters import parameters_of as declared_by
from engine.common.quoting import quoted
from engine.strategies import parts_of
from engine.strategies.combined import keys_of


def shorthands_of(name: str) -> dict[str, Shorthand]:
    """The shorthands behind a strategy's name, in its keys. Raises ConfigError for an unknown name."""
    classes = parts_of(name)
    parts = [cls.name for cls in classes]
    names = keys_of([[each.name for each in cls.shorthands] for cls in classes], parts)
    keys = keys_of([[each.name for each in declared_by(cls)] for cls in classes], parts)
    return {
        names[cls.name, each.name]: each.under(
            names[cls.name, each.name], {own: key for (part, own), key in keys.items() if part == cls.name}
        )
        for cls in classes
        for each in cls.shorthands
    }


def written_out(name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parameters with the values that a shorthand among them stands for in its place: once, or as often as it
    lists numbers. Raises ConfigError for a number out of range, and where what it sets is given as well."""
    found = [dict(parameters)]
    for key, shorthand in shorthands_of(name).items():
        if key not in parameters:
            continue
        given = parameters[key]
        numbers = given if isinstance(given, list | tuple) and given else [given]
        rest = [{other: value for other, value in each.items() if other != key} for each in found]
        found = [each | _values(name, shorthand, number, each) for number in numbers for each in rest]
    return found


def _values(name: str, shorthand: Shorthand, number: Any, beside: Mapping[str, Any]) -> dict[str, Any]:
    """What `number` stands for, with `beside` as the other parameters."""
    least, most = shorthand.minimum, shorthand.maximum
    if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
        raise ConfigError(
            f"{name}.{shorthand.name}: expected a number from {least:g} to {most:g}, not {quoted(number)}"
        )
    values = shorthand.values(float(number))
    doubled = [key for key in values if key in beside or key in {other.rpartition(".")[2] for other in beside}]
    if doubled:
        raise ConfigError(
            f"{name}: {shorthand.name} sets {' and '.join(values)}, and {' and '.join(doubled)} "
            f"{'is' if len(doubled) == 1 else 'are'} given as well; give one or the other"
        )
    return values
