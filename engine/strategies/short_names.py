"""A run's label, as it is stored, comes in; its short name, as pages, figures and reports show it, goes out."""

import re
from collections.abc import Iterable, Mapping

from engine.common.errors import ConfigError
from engine.common.numerals import setting
from engine.common.overrides import Overrides
from engine.common.parameters import Parameter
from engine.common.parameters import parameters_of as declared_by
from engine.strategies import parameters_of, parts_of

_WORDS = {"True": "yes", "False": "no"}
ORDER = "order"
"""The place of a setting in a label where the experiment varies the order of the tasks: the order's number, from 1."""
_OVERRIDES = {declared.name: declared for declared in declared_by(Overrides)}


def short_name(label: str) -> str:
    """The short name of the run with this label: the strategy's, and each setting behind its symbol.

    The same label has the same short name wherever it is shown. Behind " · " a label may name its experiment, which is
    kept. What is no label of a strategy that is known, such as one of an older version, comes back as it is.

    >>> short_name("replay (replay_weight=1, memory_size=200)")
    'Replay λ 1, memory 200'
    >>> short_name("replay+ewc (replay_weight=0.5, ewc_strength=10, learning_rate=1e-05) · second try")
    'Replay λ 0.5 + EWC strength 10, rate 1e−5 · second try'
    >>> short_name("naive (order=2)")
    'Naive, order 2'
    >>> short_name("a strategy of nobody (x=1)")
    'a strategy of nobody (x=1)'
    """
    run, dot, experiment = label.partition(" · ")
    strategy, _, inner = run.removesuffix(")").partition(" (")
    settings = _settings(inner)
    if settings is None:
        return label
    try:
        return f"{name_of(strategy, settings)}{dot}{experiment}"
    except ConfigError:
        return label


def short_names(labels: Iterable[str]) -> dict[str, str]:
    """The short name of each label."""
    return {label: short_name(label) for label in labels}


def with_short_names(text: str, labels: Iterable[str]) -> str:
    """A text in which each of these labels gives way to its short name. A label that stands inside a word, or inside a
    longer label, is none.

    >>> with_short_names("ewc (ewc_strength=1) kept more than ewc.", ["ewc", "ewc (ewc_strength=1)"])
    'EWC strength 1 kept more than EWC.'
    """
    names = short_names(labels)
    if not names:
        return text
    longest_first = "|".join(re.escape(label) for label in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda found: names[found[0]], text)


def name_of(strategy: str, settings: Mapping[str, object]) -> str:
    """The short name of a strategy with these settings, values by parameter; others are not named. Raises ConfigError
    for a strategy or a parameter that is not known.

    >>> name_of("ewc", {"ewc_strength": 1.0})
    'EWC strength 1'
    """
    parts, known = parts_of(strategy), parameters_of(strategy)
    place = {id(declared): number for number, part in enumerate(parts) for declared in declared_by(part)}
    own: list[list[str]] = [[] for _ in parts]
    of_all = []
    for key, value in settings.items():
        if key == ORDER:
            of_all.append(f"order {value}")
            continue
        if key in _OVERRIDES:
            of_all.append(_named(_OVERRIDES[key], value))
            continue
        declared = known.get(key) or known.get(key.partition(".")[2])
        if declared is None:
            raise ConfigError(f"{strategy}.{key}: there is no such parameter")
        own[place[id(declared)]].append(_named(declared, value))
    names = [" ".join([part.short_title, ", ".join(named)]).strip() for part, named in zip(parts, own, strict=True)]
    return ", ".join([" + ".join(names), *of_all])


def _named(declared: Parameter, value: object) -> str:
    text = str(value)
    try:
        written = setting(float(text))
    except ValueError:
        written = _WORDS.get(text, text)
    return f"{declared.symbol} {written}"


def _settings(inner: str) -> dict[str, str] | None:
    """The settings between a label's brackets; None where these hold anything else."""
    found: dict[str, str] = {}
    last = ""
    for piece in inner.split(", ") if inner else []:
        name, is_setting, value = piece.partition("=")
        if is_setting:
            last = name
            found[last] = value
        elif last:  # a value may hold a comma, such as names of layers
            found[last] += f", {piece}"
        else:
            return None
    return found
