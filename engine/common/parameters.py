"""One declaration of a parameter gives the page's form, the YAML check, the command line's help and the table
in the documentation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import Field
from pydantic.fields import FieldInfo

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Parameter:
    """A declared parameter, as forms and documentation need it."""

    name: str
    type: type
    """int, float, bool or str."""
    default: Any
    label: str
    help: str
    minimum: float | None
    maximum: float | None
    """The least and the largest valid value; `low` and `high` bound what a slider offers."""
    low: float | None
    high: float | None
    scale: Scale
    unit: str
    choices: tuple[str, ...]
    optional: bool
    """None is a valid value; `help` says what it means."""
    main: bool
    """The strategy is chosen by this parameter: it stands first in its form, and in a run's label."""
    empty: str
    """The words in an optional field that is left empty; `help` says what it means."""
    instead_of: str
    """The parameter that must be left out where this one is given."""
    only_with: Mapping[str, tuple[Any, ...]]
    """The values of other parameters beside which this one has an effect; empty: always."""
    symbol: str
    """One letter or word before a value in a run's short name, as in "Replay λ 1"; the label where none is declared."""


@dataclass(frozen=True)
class Shorthand:
    """A number that people may give in place of several parameters; it is replaced by their values when it is read."""

    name: str
    label: str
    help: str
    minimum: float
    maximum: float
    unit: str
    values: Callable[[float], dict[str, Any]]
    """The values that a number stands for, by parameter."""
    number: Callable[[Mapping[str, Any]], float | None]
    """The number that stands for these values; None where none does."""

    def under(self, name: str, keys: Mapping[str, str]) -> "Shorthand":
        """The same under another name, for parameters that go by other `keys`."""

        def values(number: float) -> dict[str, Any]:
            return {keys[own]: value for own, value in self.values(number).items()}

        def number(given: Mapping[str, Any]) -> float | None:
            return self.number({own: given[key] for own, key in keys.items()})

        return replace(self, name=name, values=values, number=number)


def parameter(
    default: Any,
    *,
    label: str,
    help: str,
    minimum: float | None = None,
    maximum: float | None = None,
    low: float | None = None,
    high: float | None = None,
    scale: Scale = "linear",
    unit: str = "",
    main: bool = False,
    empty: str = "no limit",
    instead_of: str = "",
    only_with: Mapping[str, tuple[Any, ...]] | None = None,
    symbol: str = "",
) -> Any:
    """Declare a field of a strategy or of the training settings."""
    extra: dict[str, Any] = {
        "label": label, "low": low, "high": high, "scale": scale, "unit": unit, "main": main, "empty": empty,
        "instead_of": instead_of, "only_with": dict(only_with or {}), "symbol": symbol,
    }  # fmt: skip
    return Field(default, ge=minimum, le=maximum, description=help, json_schema_extra=extra)


def no_boolean(value: Any) -> Any:
    """The value, unless it is true or false, which Python takes for 1 and 0 where a number is expected. Raises
    ValueError; it stands before the validation of numbers."""
    if isinstance(value, bool):
        raise ValueError("expected a value, not true or false")
    return value


_KNOWN: dict[type, tuple[Parameter, ...]] = {}


def parameters_of(declaring: type) -> tuple[Parameter, ...]:
    """The parameters that a strategy or settings class declares, in order."""
    if declaring not in _KNOWN:  # a page asks for them hundreds of times
        fields: dict[str, FieldInfo] = getattr(declaring, "__pydantic_fields__", {})
        _KNOWN[declaring] = tuple(_describe(name, field) for name, field in fields.items() if field.description)
    return _KNOWN[declaring]


def _describe(name: str, field: FieldInfo) -> Parameter:
    extra: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    bounds = {type(m).__name__: m for m in field.metadata}
    minimum, maximum = getattr(bounds.get("Ge"), "ge", None), getattr(bounds.get("Le"), "le", None)
    annotation = field.annotation
    members = [a for a in get_args(annotation) if a is not type(None)]
    optional = type(None) in get_args(annotation) and get_origin(annotation) is not Literal
    if optional:
        annotation = members[0]
    choices = tuple(str(c) for c in get_args(annotation)) if get_origin(annotation) is Literal else ()
    return Parameter(
        name=name,
        type=str if choices else annotation,  # type: ignore[arg-type]
        default=field.default,
        label=str(extra.get("label", name)),
        help=str(field.description),
        minimum=minimum,
        maximum=maximum,
        low=extra.get("low") if extra.get("low") is not None else minimum,
        high=extra.get("high") if extra.get("high") is not None else maximum,
        scale=extra.get("scale", "linear"),
        unit=str(extra.get("unit", "")),
        choices=choices,
        optional=optional,
        main=bool(extra.get("main", False)),
        empty=str(extra.get("empty", "")),
        instead_of=str(extra.get("instead_of", "")),
        only_with=extra.get("only_with", {}),
        symbol=str(extra.get("symbol") or extra.get("label", name)),
    )
