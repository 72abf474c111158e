"""What the value of a parameter does."""

import numpy as np
import pandas as pd

from figures.theme import LineStyle, alt_text
from figures.varied import varied_figure

BLUE, GREEN = LineStyle("#0000ff", "circle", "solid"), LineStyle("#00ff00", "circle", "solid")
POINTS = pd.DataFrame(
    {
        "panel": ["Replay weight λ"] * 3 + ["EWC strength"] * 2, "line": ["replay"] * 3 + ["ewc"] * 2,
        "label": ["λ 3", "λ 0.3", "λ 1", "1", "10"], "value": [3.0, 0.3, 1.0, 1.0, 10.0],
        "style": [BLUE] * 3 + [GREEN] * 2, "backward_transfer": [-0.1, -0.3, -0.2, -0.5, -0.4],
        "learning_accuracy": [2.3, 2.1, 2.2, 2.0, 2.5], "backward_transfer_low": [-0.15, np.nan, np.nan, -0.6, -0.5],
        "backward_transfer_high": [-0.05, np.nan, np.nan, -0.4, -0.3],
    }
)  # fmt: skip
NAIVE = pd.DataFrame({"label": ["Naive"], "style": [BLUE], "backward_transfer": [-1.0], "learning_accuracy": [1.9]})


def test_kept_stands_above_learnt_with_a_column_for_each_parameter_on_a_log_axis() -> None:
    figure = varied_figure(POINTS, NAIVE)
    assert [(trace.uid, trace.xaxis, trace.yaxis) for trace in figure.data] == [
        ("backward_transfer-replay", "x", "y"), ("learning_accuracy-replay", "x2", "y2"),
        ("backward_transfer-ewc", "x3", "y3"), ("learning_accuracy-ewc", "x4", "y4"),
    ]  # fmt: skip
    kept = figure.data[0]
    assert list(kept.x) == [0.3, 1.0, 3.0]
    assert list(kept.y) == [-0.3, -0.2, -0.1]
    assert np.allclose(kept.error_y.array, [0, 0, 0.05])
    assert {figure.layout[f"xaxis{n}"].type for n in ("", 2, 3, 4)} == {"log"}
    assert figure.layout.xaxis2.title.text == "Replay weight λ"
    assert list(figure.layout.xaxis2.ticktext) == ["0.3", "1", "3"]
    assert figure.layout.yaxis.domain[0] > figure.layout.yaxis2.domain[1]


def test_where_a_lower_score_is_better_learnt_runs_upwards_to_the_lower() -> None:
    assert varied_figure(POINTS, NAIVE, "bits_per_byte").layout.yaxis2.autorange == "reversed"
    assert varied_figure(POINTS, NAIVE, "accuracy").layout.yaxis2.autorange is None


def test_references_are_dashed_lines_in_every_panel_and_named_once() -> None:
    layout = varied_figure(POINTS, NAIVE).layout
    assert [shape.y0 for shape in layout.shapes] == [-1.0, 1.9, -1.0, 1.9]
    assert [note.text for note in layout.annotations] == ["Naive"]


def test_without_values_the_figure_says_when_it_will_have_some() -> None:
    assert alt_text(varied_figure(POINTS.iloc[:0], NAIVE)).startswith("This appears once a strategy")
