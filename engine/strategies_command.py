"""`python -m engine strategies`: every strategy with what it needs and its parameters."""

from collections.abc import Sequence
from typing import Any, get_args

import typer

from engine.common.overrides import Overrides
from engine.common.parameters import Parameter, Shorthand, parameters_of
from engine.strategies import heading_of, registry
from engine.strategies.base import Needs


def show() -> None:
    """Print the strategies by what they need, with their parameters, defaults and ranges."""
    for needs in get_args(Needs):
        group = {name: strategy for name, strategy in registry().items() if strategy.needs[0] == needs}
        if group:
            typer.echo(heading_of(needs))
        for name, strategy in group.items():
            typer.echo(f"\n{name}: {strategy.summary}\n  When to choose it: {strategy.choose_when}")
            if strategy.needs[1:]:
                typer.echo(f"  {heading_of(*strategy.needs)}.")
            typer.echo(f"  Source: {', '.join(strategy.source)}")
            _print_parameters(strategy, strategy.shorthands)
            if strategy.rate_factor != 1:
                typer.echo(
                    f"  The learning rate is {strategy.rate_factor:g} times the experiment's, unless one is set."
                )
        typer.echo()
    typer.echo("Every strategy also takes these; a task takes them too, and a task's own value goes first:")
    _print_parameters(Overrides)
    typer.echo("\nJoin two with +, as in replay+ewc; a list of values makes a run of each.")


def _print_parameters(declaring: type, shorthands: Sequence[Shorthand] = ()) -> None:
    """A line for each parameter that a class declares: its name, default, range and meaning; then for shorthands."""
    rows = [
        (p.name, _value(p.default), _range(p), f"{p.help} [{p.unit}]" if p.unit else p.help)
        for p in parameters_of(declaring)
    ]
    rows += [(s.name, "–", f"{s.minimum:g} to {s.maximum:g}", f"{s.help} [{s.unit}]") for s in shorthands]
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True))
        typer.echo(f"  {cells}  {row[3]}".rstrip())


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        return " | ".join(parameter.choices)
    if parameter.type is bool:
        return "true | false"
    if parameter.type is str:
        return "text"
    low = _value(parameter.minimum) if parameter.minimum is not None else "…"
    high = _value(parameter.maximum) if parameter.maximum is not None else "…"
    return f"{low} to {high}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
