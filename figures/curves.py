"""Losses over steps: what a run minimises, and what that does to every task's held-out text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from figures.theme import GREY, SCORES, SHADE, LineStyle, ScoreStyle, empty_figure, escaped, short, styled, task_styles

MAX_POINTS = 1500
"""Most points that one trace carries; longer ones keep the lowest and highest value of every stretch."""
TOLERANCE_NATS_PER_TOKEN = 0.02
"""How much worse a past task must get before it counts as being forgotten (about 2 % of perplexity)."""

Array = npt.NDArray[np.float64]
_TERMS = {
    "new": ("new task, training", GREY, "solid"),
    "replay": ("replay, training", "#b58a00", "solid"),
    "total": ("all terms, weighted", "#5b6b7c", "dot"),
    "penalty": ("elastic penalty (nats)", "#5b6b7c", "solid"),
}


@dataclass(frozen=True)
class Onset:
    """Where a past task began to be forgotten: the first look at its held-out text in a later stage that is worse
    than the last look of its own stage by more than the tolerance."""

    task: str
    stage: int
    step: int
    worse_by_nats_per_token: float


def forgetting_onsets(
    curve: pd.DataFrame, tasks: Sequence[str], tolerance: float = TOLERANCE_NATS_PER_TOKEN
) -> list[Onset]:
    """The onset of every forgotten task of one run, in task order; tasks that held are left out."""
    onsets = []
    for own_stage, task in enumerate(tasks, 1):
        points = curve[curve["task"] == task].sort_values("step")
        own = points[points["stage"] == own_stage]
        if own.empty:
            continue
        worse = points["nats_per_token"] - own["nats_per_token"].iloc[-1]
        after = points[(points["stage"] > own_stage) & (worse > tolerance)]
        if not after.empty:
            first = after.iloc[0]
            onsets.append(Onset(task, int(first["stage"]), int(first["step"]), float(worse[after.index[0]])))
    return onsets


def thin(x: Array, y: Array, limit: int = MAX_POINTS) -> tuple[Array, Array]:
    """At most about `limit` of the points: ends, and the extremes of every stretch, so that no spike is lost."""
    if len(x) <= limit:
        return x, y
    keep = {0, len(x) - 1}
    for part in np.array_split(np.arange(len(x)), max(1, limit // 2 - 1)):
        filled = np.where(np.isnan(y[part]), np.inf, y[part])
        keep.add(int(part[np.argmin(filled)]))
        keep.add(int(part[np.argmax(np.where(np.isinf(filled), -np.inf, filled))]))
    chosen = np.array(sorted(keep))
    return x[chosen], y[chosen]


def smoothing_window(steps: int) -> int:
    """Steps that a training curve is averaged over: 1 (not at all) for short runs, 25 at most."""
    return 1 if steps < 120 else min(25, steps // 40)


def loss_figure(
    losses: pd.DataFrame,
    curve: pd.DataFrame,
    stages: pd.DataFrame,
    tasks: Sequence[str],
    score: str = "nats_per_token",
    terms: Sequence[str] = ("new", "replay", "penalty", "total"),
    steps: int | None = None,
) -> go.Figure:
    """Training terms (solid) and every task's held-out text (dashed) of one run over its steps; stages shaded.

    Training terms are unweighted means in nats per token, averaged over the last few steps where the legend says
    so. Held-out curves share their axis when `score` is nats_per_token, else they have a panel of their own. A
    penalty above zero has a panel too. `steps` is the planned length of the run: the whole axis from the start.
    """
    if losses.empty and curve.empty:
        return empty_figure("The first points appear after the first training step.")
    shown = [t for t in terms if t in set(losses["term"]) and not (t == "total" and losses["term"].nunique() < 3)]
    penalty = "penalty" in shown and float(losses.loc[losses["term"] == "penalty", "nats_per_token"].max()) > 0
    own_panel = score != "nats_per_token"
    figure, rows = _panels(own_panel, penalty)
    window = smoothing_window(int(losses["step"].max())) if len(losses) else 1
    for term in (t for t in shown if t != "penalty" or penalty):
        row = rows["penalty"] if term == "penalty" else 1
        for trace in _term_traces(losses[losses["term"] == term], term, window):
            figure.add_trace(trace, row=row, col=1)
    styles = task_styles(tasks)
    onsets = forgetting_onsets(curve, tasks)
    for task in tasks:
        points = curve[curve["task"] == task].sort_values("step")
        figure.add_trace(_held_out_trace(points, task, styles[task], SCORES[score]), row=rows["held out"], col=1)
    figure.add_trace(_onset_trace(onsets, curve, styles, SCORES[score]), row=rows["held out"], col=1)
    _shade(figure, stages)
    styled(figure, _describe(losses, curve, stages, onsets))
    _title_axes(figure, rows, SCORES[score], steps)
    return figure


def _panels(own_panel: bool, penalty: bool) -> tuple[go.Figure, dict[str, int]]:
    names = ["loss"] + ["held out"] * own_panel + ["penalty"] * penalty
    heights = [{"loss": 3.0, "held out": 2.2, "penalty": 1.0}[name] for name in names]
    figure = make_subplots(rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=heights)
    rows = {name: i for i, name in enumerate(names, 1)}
    return figure, {"held out": 1, **rows}


def _term_traces(points: pd.DataFrame, term: str, window: int) -> list[go.Scatter]:
    name, color, dash = _TERMS.get(term, (escaped(term), GREY, "solid"))
    points = points.sort_values("step")
    x, y = points["step"].to_numpy(dtype=float), points["nats_per_token"].to_numpy(dtype=float)
    visible = "legendonly" if term == "total" else True
    line = {"color": color, "width": 1.8, "dash": dash}
    common = {"mode": "lines", "legendgroup": term, "visible": visible}
    smooth = window > 1 and term != "penalty"
    traces = []
    if smooth:
        raw_x, raw_y = thin(x, y)
        traces.append(
            go.Scatter(x=raw_x, y=raw_y, uid=f"{term}-raw", showlegend=False, hoverinfo="skip", opacity=0.3,
                       line={"color": color, "width": 1}, **common)
        )  # fmt: skip
        rolled = points.groupby("stage")["nats_per_token"].rolling(window, min_periods=1).mean()
        y = rolled.reset_index(level=0, drop=True).loc[points.index].to_numpy(dtype=float)
        name += f" (mean of {window} steps)"
    x, y = thin(x, y)
    hover = f"{name}<br>step %{{x:,}}: %{{y:.4g}} nats per token<extra></extra>"
    traces.append(go.Scatter(x=x, y=y, uid=term, name=name, line=line, hovertemplate=hover, **common))
    return traces


def _held_out_trace(points: pd.DataFrame, task: str, style: LineStyle, score: ScoreStyle) -> go.Scatter:
    x, y = points["step"].to_numpy(dtype=float), points[score.name].to_numpy(dtype=float)
    value = "%{y:.1%}" if score.name == "accuracy" else "%{y:.4g}"
    hover = f"<b>{escaped(task)}</b>, held out<br>step %{{x:,}}: {value} {score.unit}<extra></extra>"
    return go.Scatter(
        x=x, y=y, uid=f"held-out-{task}", name=f"{short(task, 24)}, held out", mode="lines+markers",
        hovertemplate=hover,
        line={"color": style.color, "width": 2, "dash": "dash"}, marker={"symbol": style.symbol, "size": 6},
    )  # fmt: skip


def _onset_trace(
    onsets: Sequence[Onset], curve: pd.DataFrame, styles: dict[str, LineStyle], score: ScoreStyle
) -> go.Scatter:
    values = [
        float(curve.loc[(curve["task"] == o.task) & (curve["step"] == o.step), score.name].iloc[-1]) for o in onsets
    ]
    hovers = [
        f"<b>{escaped(o.task)}</b>: forgetting began at step {o.step:,}<br>{o.worse_by_nats_per_token:+.3f} nats per "
        f"token against after its own stage<br>(marked above {TOLERANCE_NATS_PER_TOKEN:+.2f})"
        for o in onsets
    ]
    return go.Scatter(
        x=[o.step for o in onsets], y=values, uid="onset", mode="markers+text", hovertext=hovers, hoverinfo="text",
        name="forgetting began", text=[f"{short(o.task, 12)} fades" for o in onsets], textposition="top center",
        textfont={"size": 11}, cliponaxis=False, showlegend=bool(onsets),
        marker={"symbol": "x-thin", "size": 13, "color": GREY,
                "line": {"width": 3.5, "color": [styles[o.task].color for o in onsets]}},
    )  # fmt: skip


def _shade(figure: go.Figure, stages: pd.DataFrame) -> None:
    length = max(5, 56 // max(1, len(stages)))
    for row in stages.sort_values("stage").itertuples():
        if row.stage < 1:
            continue
        left = row.first_step - 0.5
        right = (row.last_step if row.last_step == row.last_step else row.first_step + row.steps - 1) + 0.5
        box = {"x0": left, "x1": right, "y0": 0, "y1": 1, "xref": "x", "yref": "paper", "layer": "below"}
        if row.stage % 2:
            figure.add_shape(type="rect", fillcolor=SHADE, line={"width": 0}, **box)
        figure.add_annotation(
            x=(left + right) / 2, y=1, xref="x", yref="paper", yanchor="bottom", showarrow=False, font={"size": 11},
            text=f"{row.stage} · {short(str(row.task), length)}",
            hovertext=f"stage {row.stage}: {escaped(str(row.task))}",
        )  # fmt: skip


def _title_axes(figure: go.Figure, rows: dict[str, int], score: ScoreStyle, steps: int | None) -> None:
    figure.update_yaxes(title_text="nats per token", row=1, col=1)
    if rows["held out"] > 1:
        figure.update_yaxes(title_text=score.unit, row=rows["held out"], col=1)
        if score.name == "accuracy":
            figure.update_yaxes(tickformat=".0%", row=rows["held out"], col=1)
    if "penalty" in rows:
        figure.update_yaxes(title_text="penalty", rangemode="tozero", row=rows["penalty"], col=1)
    last = max(rows.values())
    figure.update_xaxes(title_text="optimiser step", row=last, col=1)
    if steps:
        figure.update_xaxes(range=[0, steps * 1.01])


def _describe(losses: pd.DataFrame, curve: pd.DataFrame, stages: pd.DataFrame, onsets: Sequence[Onset]) -> str:
    step = int(max(losses["step"].max() if len(losses) else 0, curve["step"].max() if len(curve) else 0))
    parts = [f"Losses up to step {step:,} in {len(stages[stages['stage'] >= 1])} stages."]
    if len(curve):
        latest = curve.sort_values("step").groupby("task", sort=False)["nats_per_token"].last()
        parts.append("Held out, nats per token: " + ", ".join(f"{t} {v:.2f}" for t, v in latest.items()) + ".")
    parts += [f"Forgetting of {o.task} began at step {o.step:,}." for o in onsets]
    return " ".join(parts)
