"""All figures share these: styles of lines, score names and units, a transparent layout, alternative texts.

Backgrounds are transparent and no text has a colour of its own, so that one figure fits a light and a dark page.
"""

import textwrap
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go

from engine.common.numerals import written
from figures.colours import DIVERGING as DIVERGING
from figures.colours import GREY, PALETTE, shades
from figures.colours import ink_on as ink_on
from figures.colours import luminance as luminance

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
GRID = "rgba(128,128,128,0.22)"
SHADE = "rgba(128,128,128,0.13)"
EMPTY = "rgba(128,128,128,0.16)"
DISTANCE = {"ticks": "outside", "ticklen": 4, "tickcolor": "rgba(0,0,0,0)"}
"""The layout of an axis whose labels would touch what they name."""
_IN_ORDER = (1, 0, 3, 2, 5, 4, 6, 7)
"""The palette's colours in the order in which strategies take them."""
_VARIANTS = 24
"""Settings of one strategy that differ in marker or dash: beyond so many they repeat."""


@dataclass(frozen=True)
class ScoreStyle:
    """The name and the format of one held-out score."""

    name: str
    title: str
    unit: str
    lower_is_better: bool
    format: str
    change_format: str
    is_share: bool = False
    """Written in percent, its differences in points."""
    counted: str = "target_tokens"
    """The column of a matrix that says how much it is over: held-out tokens, or questions."""

    def text(self, value: float) -> str:
        """The value as figures write it, without its unit; a dash where there is none."""
        return "–" if value != value else written(value, self.format)

    def change(self, value: float) -> str:
        """A signed difference; points of a percentage for shares."""
        if value != value:
            return "–"
        scaled = 100 * value if self.is_share else value
        return written(scaled, self.change_format) + (" points" if self.is_share else "")

    def half_width(self, value: float) -> str:
        """Half of an interval, with as many digits as a change."""
        return self.change(abs(value)).removeprefix("+")

    def worse_by(self, value: float, reference: float) -> float:
        """The amount by which `value` is worse than `reference`, in the score's unit; negative where it is better."""
        return value - reference if self.lower_is_better else reference - value


SCORES = {
    style.name: style
    for style in (
        ScoreStyle("nats_per_token", "Loss (nats per token)", "nats per token", True, ".3f", "+.3f"),
        ScoreStyle("perplexity", "Perplexity", "perplexity", True, ".4g", "+.3g"),
        ScoreStyle("bits_per_byte", "Bits per byte", "bits per byte", True, ".3f", "+.3f"),
        ScoreStyle("accuracy", "Next-token accuracy", "accuracy", False, ".1%", "+.1f", True),
        ScoreStyle("exact_match", "Exact match", "exactly right", False, ".1%", "+.1f", True, "questions"),
        ScoreStyle("token_f1", "Token F1", "token F1", False, ".1%", "+.1f", True, "questions"),
    )
}


@dataclass(frozen=True)
class LineStyle:
    """Colour, marker and dash of one task or strategy."""

    color: str
    symbol: str
    dash: str
    faded: bool = False
    """It stands behind the others, in grey and without a name."""


def task_styles(tasks: Sequence[str]) -> dict[str, LineStyle]:
    """Styles by a task's place in the order; from the ninth on, colours return with other markers."""
    count = len(PALETTE)
    return {
        task: LineStyle(PALETTE[i % count], SYMBOLS[(i + i // count) % len(SYMBOLS)], "dash")
        for i, task in enumerate(tasks)
    }


def strategy_styles(
    labels: Iterable[str], families: Sequence[str] = (), drawn: Collection[str] | None = None
) -> dict[str, LineStyle]:
    """Styles by label: one colour a strategy, whatever else is shown; its settings are shades of it, the darkest that
    of the least value, and differ in marker and dash too.

    A strategy's style follows from its place among all `families`; of one that is not among them, from its name. From
    the ninth on colours return, with open markers and then with other ones, and with other dashes. Labels that are not
    among the `drawn` ones fade; None draws all.
    """
    styles: dict[str, LineStyle] = {}
    turns: dict[str, int] = {}
    known = list(dict.fromkeys(labels))
    shade_of = _shade_places(known)
    for label in known:
        family, _, _ = _label_parts(label)
        place = families.index(family) if family in families else zlib.crc32(family.encode()) % len(PALETTE)
        first, shade = turns.get(family, 0), shade_of[label]
        tried = [(turn, _strategy_style(place, turn, shade)) for turn in range(first, first + _VARIANTS)]
        turn, style = next((found for found in tried if found[1] not in styles.values()), tried[0])
        turns[family], styles[label] = turn + 1, style
    return {
        label: style if drawn is None or label in drawn else replace(style, color=GREY, faded=True)
        for label, style in styles.items()
    }


def _shade_places(labels: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each label the place of its settings among all of its strategy in the order of their values, and how many
    there are."""
    own: dict[str, set[tuple[str, ...]]] = {}
    for label in labels:
        family, settings, _ = _label_parts(label)
        own.setdefault(family, set()).add(tuple(settings))
    ranks = {family: sorted(found, key=lambda each: list(map(_by_value, each))) for family, found in own.items()}
    return {
        label: (ranks[family].index(tuple(settings)), len(ranks[family]))
        for label in labels
        for family, settings, _ in [_label_parts(label)]
    }


def _by_value(setting: str) -> tuple[str, float, str]:
    """The key by which a setting, such as "replay_weight=3", stands in the order of its values."""
    name, _, value = setting.partition("=")
    try:
        return name, float(value), ""
    except ValueError:
        return name, 0.0, value


def _strategy_style(place: int, turn: int, shade: tuple[int, int]) -> LineStyle:
    """The style of the setting `turn`, from 0, of the strategy at a place, with a shade's place among so many: one of
    its own for 32 strategies of 24 settings each."""
    lap, color = divmod(place, len(PALETTE))
    shape, is_open = divmod(lap, 2)
    # Markers and dashes go on together, through half of their pairs: 4 and 3 further the others begin.
    symbol, dash = SYMBOLS[(turn + 4 * shape) % len(SYMBOLS)], DASHES[(turn + 3 * shape + is_open) % len(DASHES)]
    rank, among = shade
    return LineStyle(shades(PALETTE[_IN_ORDER[color]], among)[rank], symbol + "-open" * is_open, dash)


def brief_labels(labels: Iterable[str]) -> dict[str, str]:
    """The short name of each label."""
    from engine.strategies.short_names import short_names  # every page needs this module, and only some need names

    return short_names(labels)


def _label_parts(label: str) -> tuple[str, list[str], str]:
    """Strategy, its settings, and the experiment with what comes before it."""
    run, dot, where = label.partition(" · ")
    family, _, settings = run.removesuffix(")").partition(" (")
    return family, settings.split(", ") if settings else [], dot + where


def short(text: str, length: int = 16) -> str:
    """`text` for a tick or a label: escaped for Plotly's markup and cut with an ellipsis."""
    cut = text if len(text) <= length else text[: max(1, length - 1)].rstrip() + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "&#37;{")


def wrapped(text: str, width: int) -> str:
    """`text` like `short`, in up to two lines of `width` characters."""
    first, *rest = textwrap.wrap(text, width, break_long_words=False) or [""]
    return "<br>".join(short(line, width) for line in (first, " ".join(rest)) if line)


def escaped(text: str) -> str:
    """`text` in full, escaped for Plotly's markup."""
    return short(text, len(text) + 1)


def styled(figure: go.Figure, alt_text: str, **layout: Any) -> go.Figure:
    """`figure` with the common layout and its alternative text; `layout` goes on top."""
    figure.update_layout(base_layout(alt_text))
    figure.update_xaxes(AXIS)
    figure.update_yaxes(AXIS)
    figure.update_layout(**layout)
    return figure


AXIS = {"gridcolor": GRID, "zeroline": False, "automargin": True, "title": {"standoff": 8}}


def base_layout(alt_text: str) -> dict[str, Any]:
    """The layout that all figures share, but for their axes."""
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top", "title": {"text": ""}}
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 36, "b": 44},
        "hoverlabel": {"align": "left"},
        "legend": legend,
        "meta": {"alt_text": alt_text},
    }


def legend_pixels(names: Sequence[str], width: int = 820) -> int:
    """The height of a legend below a figure of that width: Plotly gives every name the room of the longest."""
    if not names:
        return 0
    in_a_row = max(1, width // (46 + 7 * max(map(len, names))))
    return 19 * -(-len(names) // in_a_row)


def alt_text(figure: go.Figure) -> str:
    """The alternative text that `styled` gave to a figure."""
    meta = figure.layout.meta
    return str(meta.get("alt_text", "")) if isinstance(meta, dict) else ""


def empty_figure(message: str) -> go.Figure:
    """A low figure with nothing but a sentence in its middle."""
    figure = go.Figure()
    figure.add_annotation(text=wrapped(message, 70), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    styled(figure, message, height=110, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)
