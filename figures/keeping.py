"""Learning against keeping: what each strategy learnt and what it kept of it, its seeds as dots around its mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from figures.comparison import pareto_front
from figures.labels import LINE, Place, Point, Room, place_labels, text_width
from figures.theme import (
    AXIS,
    GREY,
    SCORES,
    LineStyle,
    ScoreStyle,
    base_layout,
    brief_labels,
    empty_figure,
    escaped,
    short,
    strategy_styles,
)

HEIGHT = 430
_MARGIN = {"l": 62, "r": 14, "t": 10, "b": 50}
_ROOM = Room(HEIGHT - _MARGIN["t"] - _MARGIN["b"], 270, 1300)
"""The plot between a phone's and a wide screen's."""
_LONGEST = 26
_PAD = 0.12
X, Y = "learning_accuracy", "backward_transfer"


@dataclass(frozen=True)
class _Frame:
    """The ranges of both axes, the better end last."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        return (value - self.x[0]) / (self.x[1] - self.x[0])

    def up(self, value: float) -> float:
        return (value - self.y[0]) / (self.y[1] - self.y[0])


def keeping_figure(
    summaries: pd.DataFrame,
    runs: pd.DataFrame,
    score: str = "nats_per_token",
    styles: Mapping[str, LineStyle] | None = None,
    references: Sequence[str] = (),
) -> go.Figure:
    """Draw learning accuracy (right is better) against backward transfer (up is better; 0 is nothing lost).

    `summaries` has a row per label: label, learning_accuracy, backward_transfer, and the ends `_low` and `_high` of
    their intervals (may be missing); `runs` a row per run: label, seed and both measures. Lines lead from the
    `references` to both axes. Names stand beside the points, none over another; labels whose style is faded are small
    and grey, without seeds, and named on hover alone.
    """
    style = SCORES[score]
    points = summaries.dropna(subset=[X, Y])
    if points.empty:
        return empty_figure("Learning and keeping appear once a run has finished two tasks.")
    styles, brief = styles or strategy_styles(points["label"]), brief_labels(points["label"])
    rows = sorted(points.to_dict("records"), key=lambda row: not styles[row["label"]].faded)
    seeds = runs[runs["label"].isin(points["label"])].dropna(subset=[X, Y])
    frame = _frame(points, seeds, style)
    names = {row["label"]: "" if styles[row["label"]].faded else short(brief[row["label"]], _LONGEST) for row in rows}
    traces = [_front(points, style)]
    for row in rows:
        own, line = seeds[seeds["label"] == row["label"]], styles[row["label"]]
        if len(own) > 1 and not line.faded:
            traces.append(_seeds(row["label"], own, line, style))
        traces.append(_mean(row, len(own), line, style))
    best = ", ".join(str(label) for label in _on_the_front(points, style)["label"])
    layout = base_layout(f"Learning against keeping. Nothing beats in both: {best}.")
    layout |= {"height": HEIGHT, "margin": _MARGIN, "showlegend": False, "shapes": _lines(rows, references, styles)}
    unit = f"points of {style.unit}" if style.is_share else style.unit
    layout["xaxis"] = _axis(f"learnt: {style.unit} after a task's own stage →", frame.x)
    layout["yaxis"] = _axis(f"kept: {unit} since then →", frame.y) | {"zeroline": True, "zerolinecolor": GREY}
    layout["annotations"] = _names(rows, names, frame)
    return go.Figure({"data": traces, "layout": layout})


def _frame(points: pd.DataFrame, seeds: pd.DataFrame, style: ScoreStyle) -> _Frame:
    """Ranges that hold every mean and seed, 0 of what was kept, and of the intervals as much as leaves room to read:
    with two seeds one may be twelve times as wide as all else."""
    x, y = _range(points, seeds, X), _range(points, seeds, Y, 0.0)
    return _Frame((x[1], x[0]) if style.lower_is_better else x, y)


def _range(points: pd.DataFrame, seeds: pd.DataFrame, name: str, *others: float) -> tuple[float, float]:
    values = np.concatenate([points[name].to_numpy(float), seeds[name].to_numpy(float), others])
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) / 10 or 1.0
    ends = points.reindex(columns=[f"{name}_low", f"{name}_high"]).to_numpy(float)
    ends = ends[np.isfinite(ends)]
    if len(ends):
        low, high = max(min(low, ends.min()), low - spread / 2), min(max(high, ends.max()), high + spread / 2)
    pad = _PAD * (high - low if high > low else spread)
    return low - pad, high + pad


def _axis(title: str, ends: tuple[float, float]) -> dict[str, Any]:
    """An axis with fixed ends: the places of the names follow from them."""
    return AXIS | {"title": {"text": title, "standoff": 8}, "range": list(ends), "automargin": False, "nticks": 7}


def _goodness(points: pd.DataFrame, style: ScoreStyle) -> npt.NDArray[np.float64]:
    return points[X].to_numpy(float) * (-1 if style.lower_is_better else 1)


def _on_the_front(points: pd.DataFrame, style: ScoreStyle) -> pd.DataFrame:
    return points[pareto_front(_goodness(points, style), points[Y].to_numpy(float))].sort_values(X)


def _front(points: pd.DataFrame, style: ScoreStyle) -> go.Scatter:
    front = _on_the_front(points, style)
    line = {"color": "rgba(128,128,128,0.8)", "dash": "dot", "width": 1.5}
    return go.Scatter(x=front[X], y=front[Y], mode="lines", line=line, hoverinfo="skip", uid="front", name="front")


def _seeds(label: str, own: pd.DataFrame, line: LineStyle, style: ScoreStyle) -> go.Scatter:
    hovers = [
        f"<b>{escaped(label)}</b>, seed {seed}<br>{_told(x, y, style)}"
        for seed, x, y in zip(own["seed"], own[X], own[Y], strict=True)
    ]
    marker = {"color": line.color, "size": 6, "symbol": "circle"}
    return go.Scatter(
        x=own[X], y=own[Y], mode="markers", marker=marker, opacity=0.6, hoverinfo="text",
        hovertext=hovers, uid=f"seeds-{label}", name=short(label, 48),
    )  # fmt: skip


def _mean(row: Mapping[str, Any], seeds: int, line: LineStyle, style: ScoreStyle) -> go.Scatter:
    over = f"<br>mean of {seeds} seeds" if seeds > 1 else "<br>one seed"
    return go.Scatter(
        x=[row[X]], y=[row[Y]], mode="markers", uid=row["label"], name=short(row["label"], 48),
        marker={"symbol": line.symbol, "size": 8 if line.faded else 13, "color": line.color},
        opacity=0.5 if line.faded else 1.0, hoverinfo="text",
        error_x=_interval(row, X, line), error_y=_interval(row, Y, line),
        hovertext=f"<b>{escaped(row['label'])}</b><br>{_told(row[X], row[Y], style)}{over}",
    )  # fmt: skip


def _told(x: float, y: float, style: ScoreStyle) -> str:
    unit = "" if style.is_share else f" {style.unit}"
    return f"learnt: {style.text(x)} {style.unit}<br>kept: {style.change(y)}{unit}"


def _interval(row: Mapping[str, Any], name: str, line: LineStyle) -> dict[str, Any] | None:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if line.faded or low is None or high is None or low != low or high != high:
        return None
    ends = {"array": [high - row[name]], "arrayminus": [row[name] - low]}
    return ends | {"type": "data", "symmetric": False, "color": _faint(line.color), "thickness": 1.2, "width": 4}


def _faint(color: str) -> str:
    """A colour "#rrggbb" that lets through what lies behind: intervals of two seeds cross the whole figure."""
    return f"rgba({','.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))},0.4)"


def _lines(
    rows: Sequence[Mapping[str, Any]], references: Sequence[str], styles: Mapping[str, LineStyle]
) -> list[dict[str, Any]]:
    """A thin line through a reference in both directions: what all others are held against."""
    shapes = []
    for row in rows:
        if row["label"] in references:
            line = {"color": styles[row["label"]].color, "width": 1, "dash": "dash"}
            common = {"type": "line", "line": line, "layer": "below", "opacity": 0.45}
            shapes.append(common | {"xref": "paper", "x0": 0, "x1": 1, "y0": row[Y], "y1": row[Y]})
            shapes.append(common | {"yref": "paper", "y0": 0, "y1": 1, "x0": row[X], "x1": row[X]})
    return shapes


def _names(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str], frame: _Frame) -> list[dict[str, Any]]:
    """The names as annotations, with a line to its point from each that stands away from it."""
    points = [
        Point(frame.across(row[X]), frame.up(row[Y]) * _ROOM.height, text_width(name) if name else 0.0)
        for row in rows
        for name in (names[row["label"]],)
    ]
    places = place_labels(points, _ROOM)
    return [
        _annotation(row, names[row["label"]], point, place)
        for row, point, place in zip(rows, points, places, strict=True)
        if place is not None
    ]


def _annotation(row: Mapping[str, Any], name: str, point: Point, place: Place) -> dict[str, Any]:
    right, up = place.right + point.width / 2, place.up + LINE / 2
    is_away = max(abs(up) - LINE / 2, abs(right) - point.width / 2) > LINE
    return {
        "x": row[X], "y": row[Y], "ax": right, "ay": -up, "text": name, "showarrow": True, "arrowhead": 0,
        "arrowwidth": 1, "arrowcolor": GREY if is_away else "rgba(0,0,0,0)", "standoff": 8, "borderpad": 0,
        "font": {"size": 12}, "captureevents": False,
    }  # fmt: skip
