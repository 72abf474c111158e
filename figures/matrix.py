"""The score matrix of one run: what each stage did to each task's held-out score."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from engine.common.numerals import written
from figures.score_colours import COLOUR_SCALE, colour_key, colour_places
from figures.theme import (
    DISTANCE,
    EMPTY,
    GREY,
    SCORES,
    ScoreStyle,
    base_layout,
    escaped,
    ink_on,
    short,
    wrapped,
)

Grid = npt.NDArray[np.float64]
_APART = 1.3
"""How far the general text's column stands from the last task's."""
_WITH_CHANGES, _IN_FULL, _WITH_NUMBERS = 5, 6, 12
"""So many tasks have cells that are wide enough for the change below the score, for the score in full, for a number."""
_BRIEF = {".3f": ".2f", ".4g": ".3g", ".1%": ".0%"}
"""Formats of scores in full, and in narrow cells."""


def score_grid(matrix: pd.DataFrame, tasks: Sequence[str], score: str) -> Grid:
    """Scores [T+1, T], stage by task, averaged over the runs in `matrix`; NaN where nothing was scored yet."""
    grid = np.full((len(tasks) + 1, len(tasks)), np.nan)
    means = matrix.groupby(["stage", "task_index"])[score].mean()
    for (stage, task_index), value in means.items():
        if stage <= len(tasks) and 1 <= task_index <= len(tasks):
            grid[int(stage), int(task_index) - 1] = value
    return grid


def gain_grid(grid: Grid, style: ScoreStyle) -> Grid:
    """The gain of every cell over the base model (row 0); for perplexity the logarithm of the ratio."""
    values = np.log(grid) if style.name == "perplexity" else grid
    gain = values - values[0]
    return -gain if style.lower_is_better else gain


def color_limit(gains: Sequence[Grid]) -> float:
    """The half-width of a colour scale that holds all `gains` and is even around the base model."""
    finite = [np.abs(g[np.isfinite(g)]).max() for g in gains if np.isfinite(g).any()]
    return max([float(v) for v in finite] + [1e-3])


def matrix_figure(
    matrix: pd.DataFrame,
    tasks: Sequence[str],
    score: str = "nats_per_token",
    ended: bool = False,
    general: pd.DataFrame | None = None,
) -> go.Figure:
    """Rows are stages (0, the base model, on top), columns tasks in training order; set apart from them the general
    text, where `general`, rows of `Store.general`, has any.

    Colour is the change against the base model on a fixed scale (`figures.score_colours`): blue better, orange worse.
    The outlined diagonal is each stage's new task; cells left of it are past tasks and carry, as a second line, the
    change since their own stage. Of a run that has `ended`, what is not scored is not promised.
    """
    style = SCORES[score]
    grid, beside = score_grid(matrix, tasks, score), general_grid(general, tasks, score)
    last, layout = len(tasks), base_layout(describe(grid, tasks, style))
    rows = ["base model", *(f"{t} · {short(task, 13)}" for t, task in enumerate(tasks, 1))]
    is_beside = bool(np.isfinite(beside).any())
    wide = last + (_APART if is_beside else 0)
    columns = [wrapped(task, max(6, int(44 / wide))) for task in tasks]
    places, end = [float(place) for place in range(1, last + 1)], wide + 0.5
    if is_beside:
        places, columns = [*places, last + _APART], [*columns, "<i>general<br>text</i>"]
    across = {"side": "top", "tickvals": places, "ticktext": columns, "range": [0.5, end], "tickangle": 0}
    down = {"tickvals": list(range(last + 1)), "ticktext": rows, "range": [last + 0.5, -0.5]}
    plain = {"fixedrange": True, "showgrid": False, "zeroline": False, "automargin": True} | DISTANCE
    layout |= {"xaxis": across | plain, "yaxis": down | plain, "shapes": [diagonal(tasks)], "showlegend": False}
    layout |= {"margin": {"l": 8, "r": 8, "t": 30, "b": 52}}
    size = 13 if last <= _WITH_CHANGES else 11 if last <= _IN_FULL else 10
    traces = matrix_traces(grid, tasks, style, None, counts(matrix, style), size, ended)
    traces[1].update(showscale=True, colorbar=colour_key(style))
    if is_beside:
        traces += _general_traces(beside[:, 0], last + _APART, tasks, style, size)
    return go.Figure({"data": traces, "layout": layout})


def matrix_pixels(tasks: int, most: int) -> int:
    """The height of a matrix of so many tasks: rows of 58 pixels, or as low as `most` pixels make them."""
    return min(most, 100 + 58 * (tasks + 1))


def cell_mark(stage: int, column: int) -> dict[str, object]:
    """A frame around the cell of a stage and a task's index from 1. Pages draw what is named "accent" in their main
    colour."""
    ends = {"x0": column - 0.44, "x1": column + 0.44, "y0": stage - 0.42, "y1": stage + 0.42}
    return ends | {"type": "rect", "line": {"color": GREY, "width": 3, "dash": "dot"}, "name": "accent"}


def general_grid(general: pd.DataFrame | None, tasks: Sequence[str], score: str) -> Grid:
    """The general text's scores [T+1, 1] by stage, averaged over the runs; NaN where it was not scored."""
    grid = np.full((len(tasks) + 1, 1), np.nan)
    if general is None or score not in general:
        return grid
    whole = general[general["is_whole"].astype(bool)]
    for stage, value in whole.groupby("stage")[score].mean().items():
        if stage <= len(tasks):
            grid[int(stage), 0] = value
    return grid


def _general_traces(
    values: npt.NDArray[np.float64], place: float, tasks: Sequence[str], style: ScoreStyle, size: int
) -> list[go.Heatmap | go.Scatter]:
    """The general text's column: its scores as colours, and as numbers with the change against the base model."""
    stages = np.flatnonzero(np.isfinite(values))
    colours = colour_places(values[:, None], style)
    after = ["base model", *(f"after stage {t} ({escaped(task)})" for t, task in enumerate(tasks, 1))]
    hovers = [
        f"<b>general text</b>, {after[s]}<br>{style.text(values[s])} {style.unit}<br>"
        f"{style.change(values[s] - values[0])} against the base model"
        for s in stages
    ]
    scores = go.Heatmap(
        x=[place], y=stages, z=colours[stages], zmin=-1, zmax=1, colorscale=COLOUR_SCALE,
        hovertext=[[hover] for hover in hovers], hoverinfo="text", xgap=3, ygap=3, showscale=False, uid="general",
    )  # fmt: skip
    texts = [_in_cell(values[s], values[0] if s else None, style, len(tasks)) for s in stages]
    numbers = go.Scatter(
        x=[place] * len(stages), y=stages, mode="text", text=texts, uid="general-numbers", hoverinfo="skip",
        showlegend=False, cliponaxis=False,
        textfont={"size": size, "color": [ink_on(float(colours[s, 0])) for s in stages]},
    )  # fmt: skip
    return [scores, numbers]


def matrix_traces(
    grid: Grid,
    tasks: Sequence[str],
    style: ScoreStyle,
    limit: float | None,
    counted: dict[int, int] | None = None,
    size: int = 13,
    ended: bool = False,
) -> list[go.Heatmap | go.Scatter]:
    """Three layers: a faint one that shows cells not reached yet, the scores as colours, and as numbers of `size` px.

    Colours are on the fixed scale, or with a `limit` even in the gain over the base model up to it. Their `customdata`
    is [stage, task index].
    """
    stages, columns = list(range(len(tasks) + 1)), list(range(1, len(tasks) + 1))
    known = counted or {}
    waiting = [
        [_no_questions(task) if _lacks(j, style, known) else _waiting(stage, task, ended)
         for j, task in enumerate(tasks)] for stage in stages
    ]  # fmt: skip
    common = {"x": columns, "y": stages, "xgap": 3, "ygap": 3, "showscale": False, "hoverinfo": "text"}
    background = go.Heatmap(
        z=np.zeros(grid.shape), colorscale=[[0, EMPTY], [1, EMPTY]], hovertext=waiting, uid="empty", **common
    )
    colours = colour_places(grid, style) if limit is None else gain_grid(grid, style)
    end = limit or 1.0
    hovers = [[_hover(grid, stage, j, tasks, style, known, ended) for j in range(len(tasks))] for stage in stages]
    scores = go.Heatmap(
        z=colours, zmin=-end, zmax=end, colorscale=COLOUR_SCALE, hovertext=hovers, uid="scores",
        customdata=[[[stage, j] for j in columns] for stage in stages], **common,
    )  # fmt: skip
    cells = [(stage, j) for stage in stages for j in range(len(tasks)) if not np.isnan(grid[stage, j])]
    numbers = go.Scatter(
        x=[j + 1 for _, j in cells], y=[stage for stage, _ in cells], mode="text", uid="numbers", hoverinfo="skip",
        text=[_cell(grid, stage, j, style) for stage, j in cells], showlegend=False, cliponaxis=False,
        textfont={"size": size, "color": [ink_on(colours[cell] / end) for cell in cells]},
    )  # fmt: skip
    return [background, scores, numbers]


def diagonal(tasks: Sequence[str], xref: str = "x", yref: str = "y") -> dict[str, object]:
    """One outline around the cells of all new tasks. Pages draw what is named "ink" in their text colour."""
    boxes = [f"M{t - 0.49},{t - 0.49}H{t + 0.49}V{t + 0.49}H{t - 0.49}Z" for t in range(1, len(tasks) + 1)]
    line = {"color": GREY, "width": 3}
    return {"type": "path", "path": "".join(boxes), "xref": xref, "yref": yref, "line": line, "name": "ink"}


def counts(matrix: pd.DataFrame, style: ScoreStyle) -> dict[int, int]:
    """How many held-out tokens, or questions, the score is over, by task index."""
    if style.counted not in matrix:
        return {}
    return {int(k): int(v) for k, v in matrix.groupby("task_index")[style.counted].max().items()}


def _lacks(column: int, style: ScoreStyle, counted: dict[int, int]) -> bool:
    """Whether a task has no such score, since no question of it is answered."""
    return style.counted == "questions" and counted.get(column + 1) == 0


def _no_questions(task: str) -> str:
    return f"{escaped(task)}: no held-out question of it is answered; plain text has no expected answers"


def describe(grid: Grid, tasks: Sequence[str], style: ScoreStyle) -> str:
    """The matrix in a sentence or two, for readers who don't see it."""
    reached = np.flatnonzero(np.isfinite(grid).any(axis=1))
    if not len(reached):
        return f"Score matrix, {style.title}: nothing scored yet."
    last = int(reached[-1])
    parts = [f"{task} {style.text(grid[last, j])}" for j, task in enumerate(tasks)]
    when = f"after stage {last} of {len(tasks)}" if last else "of the base model"
    return f"Score matrix, {style.title}, {when}: {', '.join(parts)}."


def _cell(grid: Grid, stage: int, column: int, style: ScoreStyle) -> str:
    own = grid[column + 1, column]
    return _in_cell(grid[stage, column], own if stage > column + 1 else None, style, len(grid) - 1)


def _in_cell(value: float, reference: float | None, style: ScoreStyle, tasks: int) -> str:
    """A score, and below it the change against `reference`, as far as cells of so many tasks have room."""
    if np.isnan(value) or tasks > _WITH_NUMBERS:
        return ""
    if tasks > _IN_FULL:
        return written(value, _BRIEF[style.format])
    text = style.text(value)
    if reference is not None and tasks <= _WITH_CHANGES and not np.isnan(reference):
        text += f"<br>{style.change(value - reference).removesuffix(' points')}"
    return text


def _waiting(stage: int, task: str, ended: bool = False) -> str:
    if ended:
        return f"{escaped(task)}: not scored, the run ended before"
    where = "the base model" if stage == 0 else f"stage {stage}"
    return f"{escaped(task)}: not scored yet (waits for {where})"


def _hover(
    grid: Grid,
    stage: int,
    column: int,
    tasks: Sequence[str],
    style: ScoreStyle,
    counted: dict[int, int],
    ended: bool = False,
) -> str:
    value = grid[stage, column]
    if np.isnan(value):
        return _waiting(stage, tasks[column], ended)
    where = "base model, before any training" if stage == 0 else f"after stage {stage} ({escaped(tasks[stage - 1])})"
    kind = "past task" if stage > column + 1 else "new task" if stage == column + 1 else "not trained on yet"
    lines = [f"<b>{escaped(tasks[column])}</b>, {where}", f"{style.text(value)} {style.unit} · {kind}"]
    for name, reference, skip in (
        ("its own stage", grid[column + 1, column], stage <= column + 1),
        ("the base model", grid[0, column], stage == 0),
    ):
        if not skip and not np.isnan(reference):
            lines.append(f"{style.change(value - reference)} against {name} ({_verdict(value, reference, style)})")
    if column + 1 in counted:
        unit = "questions" if style.counted == "questions" else "tokens"
        lines.append(f"over {counted[column + 1]:,} held-out {unit}")
    return "<br>".join(lines)


def _verdict(value: float, reference: float, style: ScoreStyle) -> str:
    worse = style.worse_by(value, reference)
    return "worse" if worse > 0 else "better" if worse < 0 else "the same"
