import numpy as np
import pandas as pd
import pytest

from figures.comparison import cost_figure, lost_figure, matrices_figure, pareto_front
from figures.theme import GREY, alt_text, strategy_styles
from tests.figures import frames
from tests.figures.frames import TASKS

NAIVE = [[4.0, 4.0, 4.0], [2.0, 4.0, 4.0], [3.0, 2.0, 4.0], [3.5, 3.0, 2.0]]
KEPT = [[4.0, 4.0, 4.0], [2.0, 4.0, 4.0], [2.2, 2.0, 4.0], [2.4, 2.1, 2.0]]
LUCKY = [[4.0, 4.0, 4.0], [2.0, 4.0, 4.0], [2.6, 2.0, 4.0], [2.5, 2.0, 2.0]]
MATRIX = pd.concat([frames.matrix(NAIVE, "n0"), frames.matrix(LUCKY, "n1"), frames.matrix(KEPT, "r0")])
RUNS = pd.DataFrame(
    {
        "run_id": ["n0", "n1", "r0"], "label": ["naive", "naive", "replay (replay_weight=1)"], "seed": [0, 1, 0],
        "seconds": [10.0, 20.0, 40.0], "target_tokens": [100, 100, 200],
    }
)  # fmt: skip


def test_matrices_share_one_colour_scale() -> None:
    cells = [
        trace for trace in matrices_figure(MATRIX, RUNS, TASKS, "nats_per_token").data if trace.uid.endswith("scores")
    ]
    assert len(cells) == 2
    assert {(trace.zmin, trace.zmax) for trace in cells} == {(-2.0, 2.0)}


def test_what_was_lost_counts_from_the_own_stage_with_the_range_over_seeds() -> None:
    figure = lost_figure(MATRIX, RUNS, TASKS)
    naive = next(trace for trace in figure.data if trace.uid == "naive-bread")
    assert list(naive.x) == [1, 2, 3]
    assert naive.y == pytest.approx([0.0, 0.8, 1.0])
    assert naive.error_y.array == pytest.approx([0.0, 0.2, 0.5])
    replay = next(trace for trace in figure.data if trace.uid == "replay (replay_weight=1)-bread")
    assert replay.error_y.array is None


def test_a_line_that_is_not_drawn_is_grey_behind_the_others_and_stands_in_no_legend() -> None:
    styles = strategy_styles(RUNS["label"], ["naive", "replay"], ["replay (replay_weight=1)"])
    traces = lost_figure(MATRIX, RUNS, TASKS, styles=styles).data
    assert [trace.uid for trace in traces][:2] == ["naive-bread", "naive-tea"]
    assert {trace.line.color for trace in traces[:2]} == {GREY}
    assert [trace.showlegend for trace in traces] == [False, False, True, False]


def test_lost_accuracy_is_positive_too() -> None:
    figure = lost_figure(MATRIX, RUNS, TASKS, "accuracy")
    naive = next(trace for trace in figure.data if trace.uid == "naive-tea")
    assert naive.y[-1] == pytest.approx(100 * ((1 / 3 - 1 / 4) + 0) / 2)


def test_a_point_is_on_the_front_when_nothing_beats_it() -> None:
    front = pareto_front(np.array([1.0, 2.0, 3.0, 1.5]), np.array([3.0, 2.0, 1.0, 1.5]))
    assert front.tolist() == [True, True, True, False]


def test_equal_points_share_the_front() -> None:
    assert pareto_front(np.array([1.0, 1.0]), np.array([1.0, 1.0])).all()


def test_panels_are_titled_by_what_tells_them_apart() -> None:
    titles = [note.text for note in matrices_figure(MATRIX, RUNS, TASKS).layout.annotations]
    assert titles == ["Naive", "Replay λ 1"]


def test_cost_is_the_mean_of_a_label_s_runs() -> None:
    seconds = next(trace for trace in cost_figure(RUNS).data if trace.uid == "seconds")
    assert list(seconds.x) == [15.0, 40.0]
    assert [trace.uid for trace in cost_figure(RUNS).data] == ["target_tokens", "seconds"]
    known = cost_figure(RUNS.assign(operations=[1e12, 3e12, 4e12])).data
    assert [trace.uid for trace in known] == ["target_tokens", "operations", "seconds"]
    assert list(known[1].x) == [2e12, 4e12]


@pytest.mark.parametrize(
    "figure",
    [
        lambda: matrices_figure(MATRIX.iloc[:0], RUNS, TASKS),
        lambda: lost_figure(MATRIX.iloc[:0], RUNS, TASKS),
        lambda: cost_figure(RUNS.assign(seconds=np.nan)),
    ],
)
def test_without_data_every_figure_says_when_it_will_have_some(figure) -> None:
    drawn = figure()
    assert len(drawn.data) == 0
    assert alt_text(drawn)
