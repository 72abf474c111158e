"""Runs side by side: matrices on one colour scale, what was lost when, cost.

Every frame of scores is joined to its run's `label` by `run_id`; runs with one label are one strategy over seeds.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from engine.common.numerals import written
from figures.matrix import color_limit, counts, diagonal, gain_grid, matrix_traces, score_grid
from figures.theme import (
    DISTANCE,
    DIVERGING,
    SCORES,
    LineStyle,
    ScoreStyle,
    brief_labels,
    empty_figure,
    escaped,
    legend_pixels,
    short,
    strategy_styles,
    styled,
    wrapped,
)

NO_TITLE = {"l": 56, "r": 16, "t": 16, "b": 44}


def matrices_figure(
    matrix: pd.DataFrame, runs: pd.DataFrame, tasks: Sequence[str], score: str = "bits_per_byte", columns: int = 3
) -> go.Figure:
    """One score matrix per label, means over seeds, all on one colour scale (change against the base model)."""
    style, last = SCORES[score], len(tasks)
    groups = {label: matrix[matrix["run_id"].isin(ids)] for label, ids in _runs_by_label(runs).items()}
    grids = {label: score_grid(part, tasks, score) for label, part in groups.items() if len(part)}
    if not grids:
        return empty_figure("No run has scored anything yet.")
    brief = brief_labels(groups)
    limit = color_limit([gain_grid(grid, style) for grid in grids.values()])
    columns = min(columns, len(grids))
    rows = -(-len(grids) // columns)
    gap = 76
    inner = rows * 46 * (last + 1) + (rows - 1) * gap
    figure = make_subplots(
        rows=rows, cols=columns, subplot_titles=[short(brief[label], 40) for label in grids],
        horizontal_spacing=0.04 / columns + 0.03, vertical_spacing=gap / inner,
    )  # fmt: skip
    figure.update_annotations(font_size=14)
    for i, (label, grid) in enumerate(grids.items()):
        axis = "" if i == 0 else str(i + 1)
        for trace in matrix_traces(grid, tasks, style, limit, counts(groups[label], style), 11):
            trace.uid = f"{label}-{trace.uid}"
            figure.add_trace(trace, row=i // columns + 1, col=i % columns + 1)
        figure.add_shape(diagonal(tasks, f"x{axis}", f"y{axis}"))
    figure.add_trace(_scale_bar(limit, style.title), row=1, col=1)
    styled(
        figure, f"Score matrices, {style.title}, of {', '.join(grids)}.", showlegend=False,
        height=inner + 150, margin={"l": 8, "r": 8, "t": 40, "b": 110},
    )  # fmt: skip
    ticks = [wrapped(t, max(6, 108 // (last * columns) + 1)) for t in tasks]
    figure.update_xaxes(
        **DISTANCE, tickvals=list(range(1, last + 1)), ticktext=ticks, tickangle=0, fixedrange=True, showgrid=False,
        range=[0.5, last + 0.5],
    )  # fmt: skip
    figure.update_yaxes(
        **DISTANCE, tickvals=list(range(last + 1)), ticktext=["base"] + [str(t) for t in range(1, last + 1)],
        fixedrange=True, showgrid=False, range=[last + 0.5, -0.5],
    )  # fmt: skip
    return figure


def lost_figure(
    matrix: pd.DataFrame,
    runs: pd.DataFrame,
    tasks: Sequence[str],
    score: str = "nats_per_token",
    styles: Mapping[str, LineStyle] | None = None,
) -> go.Figure:
    """Draw how much worse each past task is than after its own stage, stage by stage; up is forgetting.

    Lines are means over seeds, bars reach from the best to the worst seed. The last task can't be lost yet. Lines
    whose style is faded stand thin and grey behind the others.
    """
    style, past = SCORES[score], list(tasks[:-1])
    if not past or matrix.empty:
        return empty_figure("Forgetting can be seen once there are two tasks and a finished second stage.")
    figure = make_subplots(
        rows=1, cols=len(past), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=[short(t, 20) for t in past]
    )
    styles, brief = styles or strategy_styles(runs["label"]), brief_labels(runs["label"])
    by_label = _runs_by_label(runs)
    for label in sorted(by_label, key=lambda label: not styles[label].faded):
        line, ids = styles[label], by_label[label]
        for j, task in enumerate(past, 1):
            lost = _lost(matrix[matrix["run_id"].isin(ids)], j, score)
            if lost.empty:
                continue
            mean, low, high = lost.groupby("stage")["lost"].agg(["mean", "min", "max"]).T.to_numpy()
            stages = sorted(lost["stage"].unique())
            bars = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low, "thickness": 1}
            trace = go.Scatter(
                x=stages, y=mean, error_y=bars if len(ids) > 1 and not line.faded else None,
                name=short(brief[label], 48), legendgroup=label, showlegend=j == 1 and not line.faded,
                uid=f"{label}-{task}", mode="lines" if line.faded else "lines+markers", opacity=_opacity(line),
                line={"color": line.color, "dash": "solid" if line.faded else line.dash, "width": 1 + (not line.faded)},
                marker={"symbol": line.symbol, "size": 7},
                hoverinfo="text",
                hovertext=[
                    f"<b>{escaped(label)}</b><br>{escaped(task)} after stage {stage}: {_worse(value, style)} than "
                    f"after its own stage<br>{_seeds(len(ids))}"
                    for stage, value in zip(stages, mean, strict=True)
                ],
            )  # fmt: skip
            figure.add_trace(trace, row=1, col=j)
    legend = legend_pixels([brief[label] for label in by_label if not styles[label].faded])
    styled(
        figure, f"What each past task lost over the stages, {style.title}; higher is more forgotten.",
        height=380 + legend,
    )  # fmt: skip
    figure.update_xaxes(title_text="after stage", dtick=1, range=[0.7, len(tasks) + 0.3])
    unit = f"points of {style.unit}" if style.is_share else style.unit
    figure.update_yaxes(title_text=f"lost since own stage, {unit}", col=1)
    figure.update_yaxes(zeroline=True, zerolinecolor="rgba(128,128,128,0.7)")
    return figure


def pareto_front(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which points no other point beats: at least as high in both and higher in one."""
    better = (x[None] >= x[:, None]) & (y[None] >= y[:, None]) & ((x[None] > x[:, None]) | (y[None] > y[:, None]))
    return np.asarray(~better.any(axis=1))


def cost_figure(runs: pd.DataFrame, styles: Mapping[str, LineStyle] | None = None) -> go.Figure:
    """Target tokens, floating-point operations where they are known, and last the time, of a run: means over seeds, one
    bar a label. `runs` has label, target_tokens, operations (may be missing) and seconds."""
    spent = runs.reindex(columns=["label", *_COSTS]).groupby("label", sort=False)[list(_COSTS)].mean()
    spent = spent.dropna(subset=["target_tokens", "seconds"])
    if spent.empty:
        return empty_figure("Cost appears once a run has trained.")
    shown = {name: cost for name, cost in _COSTS.items() if spent[name].notna().any()}
    figure = make_subplots(rows=1, cols=len(shown), shared_yaxes=True, horizontal_spacing=0.06)
    names = [short(label, 34) for label in brief_labels(spent.index).values()]
    styles = styles or strategy_styles(spent.index)
    marker = {
        "color": [styles[label].color for label in spent.index],
        "opacity": [_opacity(styles[label]) for label in spent.index],
    }
    for column, (name, (title, form)) in enumerate(shown.items(), start=1):
        hover = "<b>%{y}</b><br>" + form + " a run<extra></extra>"
        bar = go.Bar(x=spent[name], y=names, orientation="h", marker=marker, hovertemplate=hover, uid=name)
        figure.add_trace(bar, row=1, col=column)
        figure.update_xaxes(title_text=title, rangemode="tozero", nticks=4, row=1, col=column)
    totals = ", ".join(f"{label} {tokens:,.0f} tokens" for label, tokens in spent["target_tokens"].items())
    height = 90 + 30 * len(spent)
    styled(figure, f"Cost of a run: {totals}.", showlegend=False, height=height, bargap=0.35, margin=NO_TITLE)
    return figure.update_yaxes(autorange="reversed", showgrid=False, **DISTANCE)


_COSTS = {
    "target_tokens": ("target tokens", "%{x:,.0f} tokens"),
    "operations": ("floating-point operations", "%{x:.3s} operations"),
    "seconds": ("seconds, other work included", "%{x:,.0f} s"),
}
"""The title of the axis and the format of the values on hover, by column."""


def _opacity(line: LineStyle) -> float:
    return 0.5 if line.faded else 1.0


def _runs_by_label(runs: pd.DataFrame) -> dict[str, list[str]]:
    return {str(label): list(part["run_id"]) for label, part in runs.groupby("label", sort=False)}


def _lost(matrix: pd.DataFrame, task_index: int, score: str) -> pd.DataFrame:
    """run_id, stage, lost: worse than after the own stage, from that stage on; shares in points."""
    own = matrix[matrix["task_index"] == task_index]
    after = own[own["stage"] == task_index].set_index("run_id")[score]
    later = own[own["stage"] >= task_index].copy()
    reference = later["run_id"].map(after).astype(float)
    scale = 100 if SCORES[score].is_share else 1
    sign = 1 if SCORES[score].lower_is_better else -1
    later["lost"] = sign * scale * (later[score] - reference)
    return later.dropna(subset=["lost"])[["run_id", "stage", "lost"]]


def _worse(value: float, style: ScoreStyle) -> str:
    """A loss in words, shares in points already."""
    amount = f"{written(abs(value), '.1f')} points" if style.is_share else f"{style.half_width(value)} {style.unit}"
    return f"{amount} {'worse' if value >= 0 else 'better'}"


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"mean of {count} seeds, bars from best to worst"


def _scale_bar(limit: float, title: str) -> go.Scatter:
    """An invisible point that carries the colour scale all matrices share."""
    ends = [-limit, 0, limit]
    return go.Scatter(
        x=[None], y=[None], mode="markers", showlegend=False, hoverinfo="skip", uid="scale",
        marker={
            "color": [0], "cmin": -limit, "cmax": limit, "colorscale": [list(c) for c in DIVERGING], "showscale": True,
            "colorbar": {
                "orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "thickness": 10, "len": 0.6,
                "outlinewidth": 0, "tickvals": ends, "ticktext": ["worse than the base model", "base", "better"],
                "title": {"text": title, "side": "bottom"},
            },
        },
    )  # fmt: skip
