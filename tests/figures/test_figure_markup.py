"""Names that look like markup, through every figure: Plotly reads a part of HTML and templates in all that it shows."""

import importlib
import inspect
import json
import pkgutil
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

import figures
from figures.curves import cell_figure
from figures.lines import lines_of
from figures.theme import LineStyle
from tests.figures import frames

NASTY = '<b>N</b><a href="https://evil.example">%{x}</a><script>&amp;'
LEAKS = ("<b>N", "<a ", "</a>", "<script", ">%{x}", 'https://evil.example">%{', "<b>&lt;b&gt;N&lt;/b&gt;</b><a")
NOT_SHOWN = {"uid", "legendgroup", "meta"}
"""What no browser prints: ids, and the alternative text, which is set as an attribute."""

TASKS = [f"{task} {NASTY}" for task in frames.TASKS]
LABELS = [f"naive {NASTY}", f"replay (replay_weight=1) · {NASTY}"]


def named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(task=frame["task"].map(dict(zip(frames.TASKS, TASKS, strict=True))))


ROWS = [[4.0, 4.0, 4.0], [2.0, 4.0, 4.0], [3.0, 2.0, 4.0], [3.5, 3.0, 2.0]]
POINTS = [(0, 0, 4.0), (1, 4, 2.0), (2, 8, 3.0), (3, 12, 3.5)]
STYLE = LineStyle("#000000", "circle", "solid")
ARGUMENTS: dict[str, Any] = {
    "matrix": pd.concat([named(frames.matrix(ROWS, run_id)) for run_id in ("a", "b")]),
    "runs": pd.DataFrame(
        {"run_id": ["a", "b"], "label": LABELS, "seed": [0, 0], "seconds": [1.0, 2.0], "target_tokens": [10, 20],
         "learning_accuracy": [1.0, 2.0], "backward_transfer": [-1.0, -2.0]}
    ),
    "points": pd.DataFrame(
        {"panel": [f"λ {NASTY}"] * 2, "line": LABELS, "label": LABELS, "value": [1.0, 2.0], "style": [STYLE] * 2,
         "learning_accuracy": [1.0, 2.0], "backward_transfer": [-1.0, -2.0]}
    ),
    "references": pd.DataFrame(
        {"label": LABELS, "style": [STYLE] * 2, "learning_accuracy": [1.0, 2.0], "backward_transfer": [-1.0, -2.0]}
    ),
    "summaries": pd.DataFrame(
        {"label": LABELS, "learning_accuracy": [1.0, 2.0], "backward_transfer": [-1.0, -2.0]}
    ),
    "tasks": TASKS,
    "curve": named(frames.curve(dict.fromkeys(frames.TASKS, POINTS))),
    "stages": named(frames.stages(4, 8, 12)),
    "losses": lines_of(frames.losses(12, ("new", "total", f"my {NASTY}"))),
    "lengths": [1, 5, 1000],
    "stage": 2,
    "task": TASKS[0],
    "score": "bits_per_byte",
    "message": NASTY,
    "figure": go.Figure(),
    "alt_text": NASTY,
}  # fmt: skip


def every_figure() -> Iterator[Callable[..., go.Figure]]:
    """All functions of the package that give a figure."""
    for found in pkgutil.iter_modules(figures.__path__):
        module = importlib.import_module(f"figures.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            own = function.__module__ == module.__name__ and not name.startswith("_")
            if own and typing.get_type_hints(function).get("return") is go.Figure:
                yield function


def arguments_of(function: Callable[..., go.Figure]) -> dict[str, Any]:
    """What a figure is made of, every name in it nasty; a new kind of argument must be added above."""
    parameters = {k: v for k, v in inspect.signature(function).parameters.items() if v.kind is not v.VAR_KEYWORD}
    unknown = [name for name, one in parameters.items() if one.default is one.empty and name not in ARGUMENTS]
    assert not unknown, f"say in ARGUMENTS what {function.__name__} takes as {unknown}"
    return {name: ARGUMENTS[name] for name in parameters if name in ARGUMENTS}


def shown(value: Any) -> Iterator[str]:
    """Every string of a figure that a browser may print."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in NOT_SHOWN:
                yield from shown(item)
    elif isinstance(value, list):
        for item in value:
            yield from shown(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("function", list(every_figure()), ids=lambda function: function.__name__)
def test_no_name_becomes_markup_in_any_figure(function: Callable[..., go.Figure]) -> None:
    figure = function(**arguments_of(function))
    texts = list(shown(json.loads(figure.to_json())))
    assert [text for text in texts if any(leak in text for leak in LEAKS)] == []


def test_the_names_do_reach_the_figures() -> None:
    reached = set()
    for function in every_figure():
        figure = function(**arguments_of(function))
        if any("&lt;b&gt;N" in text for text in shown(json.loads(figure.to_json()))):
            reached.add(function.__name__)
    assert reached >= {
        "matrix_figure", "matrices_figure", "lost_figure", "keeping_figure", "varied_figure", "cost_figure",
        "loss_figure", "cell_figure", "empty_figure",
    }  # fmt: skip


def test_a_leak_would_be_found() -> None:
    figure = cell_figure(ARGUMENTS["curve"], TASKS, 2, TASKS[0], "accuracy").update_layout(title=f"Of {NASTY}")
    assert any(leak in text for text in shown(json.loads(figure.to_json())) for leak in LEAKS)
