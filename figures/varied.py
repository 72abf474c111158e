"""What the value of a parameter does: what is learnt and what is kept, at each value that was tried."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from figures.numbers import setting
from figures.theme import AXIS, GREY, SCORES, LineStyle, ScoreStyle, base_layout, empty_figure, escaped, short

MEASURES = {"backward_transfer": "kept", "learning_accuracy": "learnt"}
"""The rows of the figure, each with the word that it goes by."""
_ROW, _GAP, _BETWEEN = 190, 34, 0.06
_TOP, _BOTTOM = 34, 56
_MOST_TICKS = 8
"""Beyond so many values, the axis is marked at powers of ten."""


def varied_figure(points: pd.DataFrame, references: pd.DataFrame, score: str = "nats_per_token") -> go.Figure:
    """Draw backward transfer above learning accuracy, a column for each parameter, against its value on a log axis.

    `points` has a row per value: panel (the parameter's title), line (what goes on one line), label, value (above 0),
    style (`LineStyle`), and both measures with the ends `_low` and `_high` of their intervals. `references` has label,
    style and both measures of what is drawn as a dashed line, such as naive.
    """
    shown = points.dropna(subset=list(MEASURES))
    if shown.empty:
        return empty_figure("This appears once a strategy has finished with two values of a parameter.")
    style = SCORES[score]
    panels = list(dict.fromkeys(shown["panel"]))
    layout = _layout({panel: sorted(set(shown.loc[shown["panel"] == panel, "value"])) for panel in panels}, style)
    traces: list[go.Scatter] = []
    for column, panel in enumerate(panels):
        for row, measure in enumerate(MEASURES):
            axis = str(column * len(MEASURES) + row + 1)
            own = shown[shown["panel"] == panel]
            for name, part in own.groupby("line", sort=False):
                traces.append(_line(part.sort_values("value"), str(name), measure, style, axis))
            layout["shapes"] += _references(references, measure, axis)
            if not column and not row:  # once: below, where all learn alike, they would lie on each other
                layout["annotations"] += _reference_names(references, measure, axis)
    return go.Figure({"data": traces, "layout": layout})


def _layout(panels: Mapping[str, Sequence[float]], style: ScoreStyle) -> dict[str, Any]:
    """A column for each panel, a row for each measure; rows share their vertical range."""
    height = _TOP + 2 * _ROW + _GAP + _BOTTOM
    inner = height - _TOP - _BOTTOM
    layout = base_layout(f"Kept and learnt at every value of {', '.join(panels)}.")
    layout |= {"height": height, "margin": {"l": 64, "r": 16, "t": _TOP, "b": _BOTTOM}, "showlegend": False}
    layout |= {"shapes": [], "annotations": []}
    width = (1 - _BETWEEN * (len(panels) - 1)) / len(panels)
    for column, (panel, values) in enumerate(panels.items()):
        left = column * (width + _BETWEEN)
        for row, (measure, word) in enumerate(MEASURES.items()):
            number = column * len(MEASURES) + row + 1
            key = "" if number == 1 else str(number)
            top = 1 - row * (_ROW + _GAP) / inner
            across = AXIS | {"type": "log", "domain": [left, left + width], "anchor": f"y{key}", "dtick": 1}
            if len(values) <= _MOST_TICKS:
                across |= {"tickvals": list(values), "ticktext": [setting(value) for value in values]}
            across |= {"title": {"text": escaped(panel) if row else "", "standoff": 8}, "showticklabels": bool(row)}
            down = AXIS | {"domain": [top - _ROW / inner, top], "anchor": f"x{key}", "nticks": 5}
            down |= {"title": {"text": "" if column else f"{word}, {_unit(measure, style)}", "standoff": 8}}
            down |= {"matches": f"y{row + 1 if row else ''}" if column else None, "showticklabels": not column}
            if measure == "learning_accuracy" and style.lower_is_better:
                down["autorange"] = "reversed"
            layout |= {f"xaxis{key}": across, f"yaxis{key}": down}
    return layout


def _line(part: pd.DataFrame, name: str, measure: str, style: ScoreStyle, axis: str) -> go.Scatter:
    line: LineStyle = part["style"].iloc[0]
    hovers = [
        f"<b>{escaped(str(row['label']))}</b><br>{MEASURES[measure]}: {_value(row[measure], measure, style)}"
        for row in part.to_dict("records")
    ]
    ends = part.reindex(columns=[f"{measure}_low", f"{measure}_high"]).astype(float)
    bars = {
        "type": "data", "symmetric": False, "thickness": 1.2, "width": 4,
        "array": (ends[f"{measure}_high"] - part[measure]).fillna(0.0),
        "arrayminus": (part[measure] - ends[f"{measure}_low"]).fillna(0.0),
    }  # fmt: skip
    key = "" if axis == "1" else axis
    return go.Scatter(
        x=part["value"], y=part[measure], mode="lines+markers", name=short(name, 48), uid=f"{measure}-{name}",
        error_y=bars, line={"color": line.color, "width": 2}, marker={"size": 9, "symbol": "circle"},
        hoverinfo="text", hovertext=hovers, xaxis=f"x{key}", yaxis=f"y{key}",
    )  # fmt: skip


def _references(references: pd.DataFrame, measure: str, axis: str) -> list[dict[str, Any]]:
    key = "" if axis == "1" else axis
    return [
        {
            "type": "line", "xref": f"x{key} domain", "yref": f"y{key}", "x0": 0, "x1": 1, "y0": row[measure],
            "y1": row[measure], "layer": "below", "line": {"color": row["style"].color, "dash": "dash", "width": 1.5},
        }
        for row in references.dropna(subset=[measure]).to_dict("records")
    ]  # fmt: skip


def _reference_names(references: pd.DataFrame, measure: str, axis: str) -> list[dict[str, Any]]:
    key = "" if axis == "1" else axis
    return [
        {
            "xref": f"x{key} domain", "yref": f"y{key}", "x": 0.005, "y": row[measure], "text": short(row["label"], 16),
            "showarrow": False, "xanchor": "left", "yanchor": "bottom", "font": {"size": 11, "color": GREY},
        }
        for row in references.dropna(subset=[measure]).to_dict("records")
    ]  # fmt: skip


def _unit(measure: str, style: ScoreStyle) -> str:
    return f"points of {style.unit}" if style.is_share and measure == "backward_transfer" else style.unit


def _value(value: float, measure: str, style: ScoreStyle) -> str:
    text = style.change(value) if measure == "backward_transfer" else style.text(value)
    return text if style.is_share else f"{text} {style.unit}"
