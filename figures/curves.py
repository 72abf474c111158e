"""Losses over steps: what a run minimises, and what that does to every task's held-out text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from engine.common.numerals import written
from figures.lines import MAX_SMOOTH_POINTS, NO_LINE, Array, Line, Steps, last_step, smoothed, thin
from figures.theme import (
    AXIS,
    GREY,
    SCORES,
    SHADE,
    LineStyle,
    ScoreStyle,
    base_layout,
    empty_figure,
    escaped,
    short,
    task_styles,
    wrapped,
)

_TERMS = {
    "new": ("new task, training", GREY, "solid"),
    "replay": ("replay, training", "#b58a00", "solid"),
    "total": ("all terms, weighted", "#5b6b7c", "dot"),
    "ewc pull": ("elastic penalty (nats)", "#5b6b7c", "solid"),
    "penalty": ("elastic penalty (nats)", "#5b6b7c", "solid"),
}
"""Name, colour and dash of terms; runs of earlier versions report their pull as "penalty"."""
GENERAL = "#00869c"
"""The colour of the general text, which is no task."""
_OTHER_COLORS = ("#7a4fa3", "#2f7d6d", "#a8433b", "#3f6fb5", "#8a6d3b")


def is_pull(term: str) -> bool:
    """Whether a term is a quadratic on the weights, which has a panel of its own."""
    return term == "penalty" or term.endswith((" pull", " constant"))


def _style_of(term: str) -> tuple[str, str, str]:
    """Name, colour and dash of a term; those of strategies that are not named here follow from their names."""
    if term in _TERMS:
        return _TERMS[term]
    color = _OTHER_COLORS[sum(term.encode()) % len(_OTHER_COLORS)]
    if term.endswith(" constant"):
        return f"{escaped(term)} (nats)", color, "dot"
    return (f"{escaped(term)} (nats)" if is_pull(term) else f"{escaped(term)}, training"), color, "solid"


@dataclass(frozen=True)
class Onset:
    """The beginning of a past task's forgetting: the first look in a later stage at which its held-out documents are
    worse than they were at the end of its own stage, beyond the error of that difference (`is_worse` of the curve)."""

    task: str
    stage: int
    step: int
    worse_by: float
    """Nats per token."""
    half_width: float
    """The half width of its interval, which holds for all looks of the task at once."""


def forgetting_onsets(curve: pd.DataFrame, tasks: Sequence[str]) -> list[Onset]:
    """The onset of every forgotten task of one run, in task order; tasks that held are left out."""
    onsets = []
    for task in tasks:
        worse = curve[(curve["task"] == task) & curve["is_worse"].astype(bool)].sort_values("step")
        if not worse.empty:
            first = worse.iloc[0]
            size = float(first["worse_by"]), float(first["worse_by_half"])
            onsets.append(Onset(task, int(first["stage"]), int(first["step"]), *size))
    return onsets


def smoothing_window(steps: int) -> int:
    """Steps that a training curve is averaged over: 1 (not at all) for short runs, 25 at most."""
    return 1 if steps < 120 else min(25, steps // 40)


def loss_figure(
    losses: Mapping[str, Line],
    curve: pd.DataFrame,
    stages: pd.DataFrame,
    tasks: Sequence[str],
    score: str = "nats_per_token",
    terms: Sequence[str] | None = None,
    steps: int | None = None,
    ended: bool = False,
    general: pd.DataFrame | None = None,
) -> go.Figure:
    """Training terms (solid) and every task's held-out text (dashed, in its 95% interval) of one run over its steps;
    stages shaded. `general`, rows of `Store.general`, adds the general text's line (dotted) and KL(base ‖ now) on it,
    which has a panel of its own.

    Training terms are unweighted means in nats per token, averaged over the last few steps where the legend says
    so. Held-out curves share their axis when `score` is nats_per_token, else they have a panel of their own, as a
    penalty has. `terms` are those to expect, all that are there when None; `steps` is the planned length of the run:
    naming both keeps the axes as they are from the first point to the last. Of a run that has `ended` none is promised.
    """
    newest = last_step(losses)
    if not newest and curve.empty:
        if ended:
            return empty_figure("The run ended before its first training step, so there are no points.")
        return empty_figure("The first points appear after the first training step.")
    present = set(losses)
    wanted = present if terms is None else set(terms)
    shown = [t for t in _TERMS if t in wanted] + sorted(wanted - set(_TERMS))
    panels = ["loss"] + ["held out"] * (score != "nats_per_token") + ["penalty"] * any(map(is_pull, shown))
    beside = pd.DataFrame() if general is None else general
    panels += ["drift"] * (len(beside) > 0)
    axes = {name: "y" if i == 0 else f"y{i + 1}" for i, name in enumerate(panels)}
    held_out_axis = axes.get("held out", "y")
    window = smoothing_window(newest)
    traces: list[go.Scatter] = []
    for term in (t for t in shown if t != "total" or len(present) > 2):
        traces += _term_traces(losses.get(term, NO_LINE), term, window, axes["penalty"] if is_pull(term) else "y")
    styles, onsets = task_styles(tasks), forgetting_onsets(curve, tasks)
    looks = curve[["stage", "step"]].drop_duplicates()
    for task in tasks:
        points = _with_gaps(curve[curve["task"] == task], looks)
        traces.append(_band_trace(points, task, styles[task], SCORES[score], held_out_axis))
        traces.append(_held_out_trace(points, task, styles[task], SCORES[score], held_out_axis))
    if len(beside):
        traces += _general_traces(beside.sort_values("step"), SCORES[score], held_out_axis, axes["drift"])
    traces.append(_onset_trace(onsets, curve, styles, SCORES[score], held_out_axis))
    boxes, notes = _shades(stages, steps)
    layout = base_layout(_describe(newest, curve, stages, onsets)) | {"shapes": boxes, "annotations": notes}
    return go.Figure({"data": traces, "layout": layout | _axes(panels, axes, SCORES[score], steps)})


def _with_gaps(points: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """A task's points in order, with a row of NaN for every look at other tasks between them: a task that was added
    after a stage was scored at its end alone, and no line may lead through what nobody has seen."""
    if points.empty:
        return points
    between = looks[looks["step"].between(points["step"].min(), points["step"].max())]
    return between.merge(points, on=["stage", "step"], how="left").sort_values(["step", "stage"])


def cell_figure(curve: pd.DataFrame, tasks: Sequence[str], stage: int, task: str, score: str) -> go.Figure:
    """One task's held-out curve inside one stage, with its scores of the base model and after its own stage."""
    style, line = SCORES[score], task_styles(tasks)[task]
    points = curve[curve["task"] == task].sort_values("step")
    inside = points[points["stage"] == stage]
    if stage == 0 or inside.empty:
        return empty_figure("No stage has been trained yet." if stage == 0 else "Nothing was scored inside this stage.")
    before = points[points["stage"] < stage].tail(1)
    shown = pd.concat([before, inside])
    trace, band = (make(shown, task, line, style, "y") for make in (_held_out_trace, _band_trace))
    text = f"{task} during stage {stage}: from {style.text(trace.y[0])} to {style.text(trace.y[-1])} {style.unit}."
    own = points[points["stage"] == tasks.index(task) + 1].tail(1)
    layout = base_layout(text) | _axes(["held out"], {"held out": "y"}, style, None)
    marks = [(points[points["stage"] == 0], "base model", "dot")]
    marks += [(own, "after its own stage", "dashdot")] if stage > tasks.index(task) + 1 else []
    layout["shapes"] = [
        {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y, "line": {"color": GREY, "dash": dash},
         "label": {"text": name, "textposition": "start", "font": {"size": 10}}}
        for found, name, dash in marks for y in found[score]
    ]  # fmt: skip
    layout |= {"showlegend": False, "margin": {"l": 48, "r": 8, "t": 24, "b": 40}}
    return go.Figure({"data": [band, trace.update(line={"dash": "solid"})], "layout": layout})


def _axes(panels: Sequence[str], axes: dict[str, str], score: ScoreStyle, steps: int | None) -> dict[str, Any]:
    """Panels one above the other over a single axis of steps."""
    titles = {"loss": "nats per token", "held out": score.unit, "penalty": "penalty", "drift": "KL, nats"}
    weights = [{"loss": 3.0, "held out": 2.2, "penalty": 1.0, "drift": 1.0}[name] for name in panels]
    gap, top = 0.07, 1.0
    unit = (1 - gap * (len(panels) - 1)) / sum(weights)
    layout: dict[str, Any] = {}
    for name, weight in zip(panels, weights, strict=True):
        bottom = max(0.0, top - unit * weight)
        axis = AXIS | {"title": {"text": titles[name], "standoff": 8}, "domain": [bottom, top], "anchor": "x"}
        if name == "held out" and score.is_share:
            axis["tickformat"] = ".0%"
        if name in ("penalty", "drift"):
            axis |= {"rangemode": "tozero", "nticks": 3}
        layout["yaxis" + axes[name][1:]] = axis
        top = bottom - gap
    across = {"title": {"text": "optimiser step", "standoff": 8}, "anchor": axes[panels[-1]]}
    layout["legend"] = base_layout("")["legend"] | {"yref": "container", "y": 0, "yanchor": "bottom"}
    layout["xaxis"] = AXIS | across | ({"range": [-0.012 * steps, 1.012 * steps]} if steps else {})
    return layout


def _term_traces(points: Line, term: str, window: int, axis: str) -> list[go.Scatter]:
    name, color, dash = _style_of(term)
    visible = "legendonly" if term == "total" else True
    line = {"color": color, "width": 1.8, "dash": dash}
    common = {"mode": "lines", "legendgroup": term, "visible": visible, "yaxis": axis}
    smooth = window > 1 and not is_pull(term)
    traces = []
    if smooth:
        traces.append(
            go.Scatter(**points_of(*thin(points.steps, points.values)), uid=f"{term}-raw", showlegend=False,
                       hoverinfo="skip", opacity=0.3, line={"color": color, "width": 1}, **common)
        )  # fmt: skip
        shown = thin(points.steps, smoothed(points, window), MAX_SMOOTH_POINTS)
        name += f" (mean of {window} steps)"
    else:
        shown = thin(points.steps, points.values)
    hover = f"{name}<br>step %{{x:,}}: %{{y:.4g}} nats per token<extra></extra>"
    traces.append(go.Scatter(**points_of(*shown), uid=term, name=name, line=line, hovertemplate=hover, **common))
    return traces


def points_of(steps: Steps, values: Array) -> dict[str, npt.NDArray[Any]]:
    """`x` and `y` of a trace in numbers of four bytes, which are finer than any screen."""
    return {"x": steps.astype(np.int32), "y": values.astype(np.float32)}


def _held_out_trace(points: pd.DataFrame, task: str, style: LineStyle, score: ScoreStyle, axis: str) -> go.Scatter:
    x, y = points["step"].to_numpy(dtype=float), points[score.name].to_numpy(dtype=float)
    low, high = _ends(points, score)
    hovers = [
        f"<b>{escaped(task)}</b>, held out<br>step {step:,.0f}: {score.text(value)} {score.unit}{_reach(score, *ends)}"
        for step, value, *ends in zip(x, y, low, high, strict=True)
    ]
    return go.Scatter(
        x=x, y=y, uid=f"held-out-{task}", name=f"{short(task, 24)}, held out", mode="lines+markers",
        hovertext=hovers, hoverinfo="text", yaxis=axis, legendgroup=f"held-out-{task}",
        line={"color": style.color, "width": 2, "dash": "dash"}, marker={"symbol": style.symbol, "size": 6},
    )  # fmt: skip


def _general_traces(points: pd.DataFrame, score: ScoreStyle, axis: str, drift_axis: str) -> list[go.Scatter]:
    """The general text's line, where it has the score, and how far the model has moved from the base model on it."""
    line = {"color": GENERAL, "width": 2, "dash": "dot"}
    steps, drift = points["step"].to_numpy(dtype=float), points["drift"].to_numpy(dtype=float)
    hovers = [
        f"KL(base ‖ now) on the general text<br>step {step:,.0f}: {written(value, '.3f')} nats per token"
        for step, value in zip(steps, drift, strict=True)
    ]
    traces = [
        go.Scatter(
            x=steps, y=drift, uid="drift", name="KL from the base model", mode="lines+markers", hovertext=hovers,
            hoverinfo="text", yaxis=drift_axis, line=line | {"dash": "solid"}, marker={"size": 5, "symbol": "diamond"},
        )
    ]  # fmt: skip
    if score.name in points:
        found = _held_out_trace(points, "general text", LineStyle(GENERAL, "diamond", "dot"), score, axis)
        traces.append(found.update(uid="general", line=line, legendgroup="general"))
    return traces


def _reach(score: ScoreStyle, low: float, high: float) -> str:
    return f"<br>95% interval {score.text(low)} to {score.text(high)}" if high > low else ""


def _band_trace(points: pd.DataFrame, task: str, style: LineStyle, score: ScoreStyle, axis: str) -> go.Scatter:
    """The 95% interval of a curve as an area; it closes at the ends of stages, where all held-out text is scored."""
    low, high = _ends(points, score)
    known = np.isfinite(low) & np.isfinite(high)
    x = points["step"].to_numpy(dtype=float)[known]
    red, green, blue = (int(style.color[i : i + 2], 16) for i in (1, 3, 5))
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]), y=np.concatenate([high[known], low[known][::-1]]), uid=f"interval-{task}",
        mode="lines", fill="toself", fillcolor=f"rgba({red},{green},{blue},0.18)", line={"width": 0}, yaxis=axis,
        hoverinfo="skip", showlegend=False, legendgroup=f"held-out-{task}",
    )  # fmt: skip


def _ends(points: pd.DataFrame, score: ScoreStyle) -> tuple[Array, Array]:
    low, high = (points[f"{score.name}_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    return low, high


def _onset_trace(
    onsets: Sequence[Onset], curve: pd.DataFrame, styles: dict[str, LineStyle], score: ScoreStyle, axis: str
) -> go.Scatter:
    values = [
        float(curve.loc[(curve["task"] == o.task) & (curve["step"] == o.step), score.name].iloc[-1]) for o in onsets
    ]
    hovers = [
        f"<b>{escaped(o.task)}</b>: forgetting began at step {o.step:,}<br>worse by {written(o.worse_by, '.3f')} ± "
        f"{written(o.half_width, '.3f')} nats per token than after its own stage<br>(same documents; the "
        "interval holds for all looks at the task at once)"
        for o in onsets
    ]
    return go.Scatter(
        x=[o.step for o in onsets], y=values, uid="onset", mode="markers+text", hovertext=hovers, hoverinfo="text",
        name="forgetting began", text=[f"{short(o.task, 12)} fades" for o in onsets], textposition="top center",
        textfont={"size": 11}, cliponaxis=False, showlegend=bool(onsets), yaxis=axis,
        marker={"symbol": "x-thin", "size": 13, "color": GREY,
                "line": {"width": 3.5, "color": [styles[o.task].color for o in onsets]}},
    )  # fmt: skip


def _shades(stages: pd.DataFrame, steps: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A band behind every other stage, and every stage's name above it."""
    spans, boxes, notes = list(_spans(stages)), [], []
    whole = max([steps or 0, *(right for _, _, _, right in spans)])
    for stage, task, left, right in spans:
        band = {"x0": left, "x1": right, "y0": 0, "y1": 1, "xref": "x", "yref": "paper", "layer": "below"}
        if stage % 2:
            boxes.append(band | {"type": "rect", "fillcolor": SHADE, "line": {"width": 0}})
        note = {"x": (left + right) / 2, "y": 1, "xref": "x", "yref": "paper", "yanchor": "bottom", "showarrow": False}
        # Letters that fit above the stage on a phone; names that fit nowhere are cut at eight.
        room = max(8, int(56 * (right - left) / whole))
        text = {"text": f"{stage} · {wrapped(task, room)}", "hovertext": f"stage {stage}: {escaped(task)}"}
        notes.append(note | text | {"font": {"size": 11}})
    return boxes, notes


def _spans(stages: pd.DataFrame) -> Iterator[tuple[int, str, float, float]]:
    """Number, task, first and last step of every stage; the planned last step where it is not over."""
    for row in stages[stages["stage"] >= 1].sort_values("stage").to_dict("records"):
        last = row["last_step"] if row["last_step"] == row["last_step"] else row["first_step"] + row["steps"] - 1
        yield int(row["stage"]), str(row["task"]), row["first_step"] - 0.5, last + 0.5


def _describe(newest: int, curve: pd.DataFrame, stages: pd.DataFrame, onsets: Sequence[Onset]) -> str:
    step = max(newest, int(curve["step"].max()) if len(curve) else 0)
    parts = [f"Losses up to step {step:,} in {len(stages[stages['stage'] >= 1])} stages."]
    if len(curve):
        latest = curve.sort_values("step").groupby("task", sort=False)["nats_per_token"].last()
        parts.append("Held out, nats per token: " + ", ".join(f"{t} {v:.2f}" for t, v in latest.items()) + ".")
    parts += [f"Forgetting of {o.task} began at step {o.step:,}." for o in onsets]
    return " ".join(parts)
