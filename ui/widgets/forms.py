"""Declared parameters to widgets: one field a parameter, or a list of values to try.

Every widget is given its value when it is made, never through the session: Streamlit drops what a run that is cut short
had to say to the browser, and a value that was said only once would then be shown wrong for good. For the same reason a
widget that must show another value is made anew, under another key.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.common.errors import ConfigError
from engine.common.parameters import Parameter
from figures.numbers import setting
from ui.widgets import words


def one_value(parameter: Parameter, value: Any, key: str) -> Any:
    """A field for one value, starting from `value` when the field is new to the page; returns what it holds.

    Choices become a select box, a slider's worth of numbers a slider with an exact entry beside it, other numbers
    a number entry; one that is empty by default may be left so, which gives None.
    """
    if parameter.choices:
        return _choice(parameter, value, key)
    if parameter.type is bool:
        return st.toggle(parameter.label, value=bool(value), key=key, help=parameter.help)
    if parameter.type is str:
        text = st.text_input(parameter.label, "" if value is None else str(value), key=key, help=parameter.help)
        return text or (None if parameter.optional else "")
    begins_empty = parameter.optional and parameter.default is None
    if begins_empty or parameter.low is None or parameter.high is None:
        return _number(parameter, value, key)
    return _slider_with_entry(parameter, parameter.default if value is None else value, key)


def exact_value(parameter: Parameter, value: Any, key: str) -> Any:
    """Do the same as `one_value` with exact entry of numbers alone: for long forms."""
    if parameter.choices or parameter.type not in (int, float):
        return one_value(parameter, value, key)
    return _number(parameter, value, key)


def several_values(parameter: Parameter, text: str, key: str) -> str:
    """A field for a list of values, as text with commas between them; returns the text."""
    help_text = words.several_help(parameter.help)
    if parameter.choices:
        chosen = [part for part in split_list(text) if part in parameter.choices] or [str(parameter.default)]
        return ", ".join(st.multiselect(parameter.label, parameter.choices, chosen, key=key, help=help_text))
    return st.text_input(words.separated(_label(parameter)), text, key=key, help=help_text)


def parse_values(parameter: Parameter, text: str) -> list[Any]:
    """The values listed in `text`, each once; an optional parameter takes "none" and an empty text for None.

    Raises ConfigError that names the parameter and the wrong part.
    """
    parts = split_list(text)
    if not parts and parameter.optional:
        return [None]
    if not parts:
        raise ConfigError(words.no_value(parameter.label))
    return list(dict.fromkeys(_parse(parameter, part) for part in parts))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds as "0, 1, 2". Raises ConfigError that names the wrong part."""
    parts = split_list(text)
    wrong = next((part for part in parts if not re.fullmatch(r"[0-9]{1,9}", part)), None)
    if wrong is not None:
        raise ConfigError(words.no_seed(wrong))
    seeds = tuple(int(part) for part in parts)
    doubled = next((seed for seed, times in Counter(seeds).items() if times > 1), None)
    if doubled is not None:
        raise ConfigError(words.seed_twice(doubled))
    if not seeds:
        raise ConfigError(words.NO_SEEDS)
    return seeds


def split_list(text: str) -> list[str]:
    """The non-empty parts between commas, semicolons or white space."""
    return [part for part in re.split(r"[\s,;，、；]+", text) if part]


def as_text(values: Any) -> str:
    """Values as `parse_values` reads them back."""
    listed = values if isinstance(values, list | tuple) else [values]
    return ", ".join("none" if v is None else f"{v:.12g}" if isinstance(v, float) else str(v) for v in listed)


def _parse(parameter: Parameter, part: str) -> Any:
    if parameter.optional and part.lower() == "none":
        return None
    if parameter.choices:
        if part not in parameter.choices:
            raise ConfigError(words.none_of(parameter.label, part, parameter.choices))
        return part
    if parameter.type is bool:
        if part.lower() not in ("true", "false"):
            raise ConfigError(words.neither(parameter.label, part))
        return part.lower() == "true"
    if parameter.type is str:
        return part
    kind = words.WHOLE_NUMBER if parameter.type is int else words.NUMBER
    try:
        value = float(part)
        if parameter.type is int and not re.fullmatch(r"[+-]?[0-9]{1,18}", part):
            value = int(value) if value == int(value) else math.nan
        elif parameter.type is int:
            value = int(part)
    except (ValueError, OverflowError):
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(words.is_not(parameter.label, part, kind))
    if parameter.minimum is not None and value < parameter.minimum:
        raise ConfigError(words.too_small(parameter.label, part, parameter.minimum))
    if parameter.maximum is not None and value > parameter.maximum:
        raise ConfigError(words.too_large(parameter.label, part, parameter.maximum))
    return value


def _label(parameter: Parameter) -> str:
    named = parameter.unit.lower() in parameter.label.lower()
    return parameter.label if named else f"{parameter.label} ({parameter.unit})"


def _choice(parameter: Parameter, value: Any, key: str) -> str:
    index = parameter.choices.index(str(value))
    return st.selectbox(parameter.label, parameter.choices, index, key=key, help=parameter.help)


def _number(parameter: Parameter, value: Any, key: str, changed: Callable[[], None] | None = None) -> Any:
    """A number entry; with `changed` it stands beside a slider, whose label and help it leaves to it."""
    whole = parameter.type is int
    convert = int if whole else float
    # number_input wants one numeric type for minimum, maximum and value.
    return st.number_input(
        words.exactly(parameter.label) if changed else _label(parameter),
        min_value=None if parameter.minimum is None else convert(parameter.minimum),
        max_value=None if parameter.maximum is None else convert(parameter.maximum),
        value=None if value is None else convert(value),
        step=1 if whole else _step(parameter),
        format=None if whole else "%.6g",
        key=key,
        help=words.EXACT_HELP if changed else parameter.help,
        on_change=changed,
        placeholder=parameter.empty if parameter.optional else None,
        label_visibility="collapsed" if changed else "visible",
    )


def _step(parameter: Parameter) -> float:
    """The amount that the entry's − and + buttons add: a hundredth of what a slider offers, a power of ten."""
    if parameter.scale == "log" and parameter.low:
        return float(parameter.low)
    span = (parameter.high or 1.0) - (parameter.low or 0.0)
    return float(10.0 ** math.floor(math.log10(span / 10)))


@dataclass
class _Pair:
    """The value that a slider and an entry share, and how often each was made anew to show the other one's."""

    value: Any
    sliders: int = 0
    entries: int = 0


def _slider_with_entry(parameter: Parameter, value: Any, key: str) -> Any:
    """A slider for finding a value and an entry for stating it; each moves the other."""
    stops = slider_stops(parameter)
    pair: _Pair = st.session_state.setdefault(f"{key}_pair", _Pair(parameter.type(value)))
    slider_key, entry_key = f"{key}_slider{pair.sliders}", f"{key}_entry{pair.entries}"

    def slider_moved() -> None:
        pair.value, pair.entries = st.session_state[slider_key], pair.entries + 1

    def entry_changed() -> None:
        pair.value, pair.sliders = st.session_state[entry_key], pair.sliders + 1

    wide, narrow = st.columns([3, 2], vertical_alignment="bottom")
    wide.select_slider(
        _label(parameter), stops, _nearest(stops, pair.value), key=slider_key, format_func=_stop_label,
        help=parameter.help, on_change=slider_moved,
    )  # fmt: skip
    with narrow:
        _number(parameter, pair.value, entry_key, entry_changed)
    return pair.value


def slider_stops(parameter: Parameter) -> list[Any]:
    """The values that a parameter's slider offers: 1, 2, 3 and 5 of every power of ten on a logarithmic scale, 0 first
    where it is valid; round steps, at most a hundred, on a linear one. Its ends and the default are among them: the
    entry beside it must not show another number at first."""
    low, high = float(parameter.low or 0), float(parameter.high or 0)
    if parameter.scale == "log" and low > 0:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        numbers = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 3, 5)]
        stops = [n for n in numbers if low * 0.999 <= n <= high * 1.001]
        if parameter.minimum == 0:
            stops.insert(0, 0.0)
    else:
        step = _round_step((high - low) / 100, parameter.type is int)
        stops = [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    stops += [low, high]
    if parameter.default is not None and min(stops) <= parameter.default <= max(stops):
        stops.append(parameter.default)
    return sorted({round(n) if parameter.type is int else float(f"{n:.9g}") for n in stops})


def _round_step(smallest: float, whole: bool) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `smallest`."""
    decade = 10.0 ** math.floor(math.log10(smallest))
    step = next(m * decade for m in (1, 2, 5, 10) if m * decade >= smallest * 0.999)
    return max(1.0, step) if whole else step


def _nearest(stops: Sequence[Any], value: Any) -> Any:
    return min(stops, key=lambda stop: abs(stop - value))


def _stop_label(value: Any) -> str:
    return setting(value)


def folding(title: str, key: str, chosen: Sequence[str] = (), **look: Any) -> Any:
    """An expander whose `.open` says whether its content is wanted. While it is closed its label ends with what is
    `chosen` in it (Markdown), which a style of the page hides once it is open.

    The label stays as it is while it is open: one of another label is another element, which would be drawn anew,
    closed and without the keyboard's focus.
    """
    memory = f"{key}_label"
    label = f"{title} :gray[· {' · '.join(chosen)}]" if chosen else title
    if st.session_state.get(key):
        label = st.session_state.get(memory, label)
    st.session_state[memory] = label
    return st.expander(label, key=key, on_change="rerun", **look)
