"""The main parameter that a strategy was run with at several values: what its experiments vary on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import pandas as pd

from engine.common.errors import ConfigError
from engine.strategies import parameters_of


@dataclass(frozen=True)
class Varied:
    """One main parameter of one strategy at two values or more, with all else that the strategy is chosen by alike."""

    strategy: str
    parameter: str
    label: str
    """The parameter as its form calls it."""
    values: Mapping[str, float]
    """By configuration, the least first."""


def varied_parameters(runs: pd.DataFrame) -> list[Varied]:
    """What varies among the configurations of `runs` (configuration, experiment_id, strategy, parameters), in order of
    appearance. Parameters that are no numbers are left out, and strategies of another version."""
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    labels: dict[tuple[str, str], str] = {}
    for run in runs.drop_duplicates("configuration").to_dict("records"):
        strategy, given = str(run["strategy"]), dict(run["parameters"])
        for name, label in _main_numbers(strategy).items():
            if not _is_number(given.get(name)):
                continue
            labels[strategy, name] = label
            others = tuple(sorted((key, str(value)) for key, value in given.items() if key != name))
            line = found.setdefault((run["experiment_id"], strategy, name, others), {})
            line[str(run["configuration"])] = float(given[name])
    return [
        Varied(strategy, name, labels[strategy, name], dict(sorted(values.items(), key=lambda each: each[1])))
        for (_, strategy, name, _), values in found.items()
        if len(set(values.values())) > 1
    ]


def _main_numbers(strategy: str) -> dict[str, str]:
    """The labels of the strategy's main parameters that are numbers, by name."""
    try:
        declared = parameters_of(strategy)
    except ConfigError:  # of another version
        return {}
    return {name: each.label for name, each in declared.items() if each.main and each.type in (int, float)}


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
