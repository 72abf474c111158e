import numpy as np
import pandas as pd
import pytest

from figures.comparison import cost_figure, lost_figure, matrices_figure, pareto_front, tradeoff_figure
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


def test_a_point_that_is_not_drawn_is_named_on_hover_alone_and_counts_for_the_front() -> None:
    points = pd.DataFrame(
        {"label": ["naive", "ewc"], "learning_accuracy": [2.0, 3.0], "backward_transfer": [-1.0, -0.2]}
    )
    figure = tradeoff_figure(points, styles=strategy_styles(points["label"], (), ["ewc"]))
    front, naive, ewc = figure.data
    assert (naive.uid, naive.text[0], naive.showlegend, naive.marker.color) == ("naive", "", False, GREY)
    assert "naive" in naive.hovertext
    assert (ewc.text[0], ewc.showlegend) == ("EWC", True)
    assert len(front.x) == 2


def test_lost_accuracy_is_positive_too() -> None:
    figure = lost_figure(MATRIX, RUNS, TASKS, "accuracy")
    naive = next(trace for trace in figure.data if trace.uid == "naive-tea")
    assert naive.y[-1] == pytest.approx(100 * ((1 / 3 - 1 / 4) + 0) / 2)


def test_a_point_is_on_the_front_when_nothing_beats_it() -> None:
    front = pareto_front(np.array([1.0, 2.0, 3.0, 1.5]), np.array([3.0, 2.0, 1.0, 1.5]))
    assert front.tolist() == [True, True, True, False]


def test_equal_points_share_the_front() -> None:
    assert pareto_front(np.array([1.0, 1.0]), np.array([1.0, 1.0])).all()


def test_the_trade_off_names_its_front_and_draws_intervals_where_there_are_any() -> None:
    summaries = pd.DataFrame(
        [
            {"label": "naive", "learning_accuracy": -2.0, "backward_transfer": -1.0},
            {"label": "ewc", "learning_accuracy": -3.0, "backward_transfer": -0.2,
             "backward_transfer_low": -0.3, "backward_transfer_high": -0.1},
            {"label": "bad", "learning_accuracy": -3.5, "backward_transfer": -2.0},
        ]
    )  # fmt: skip
    figure = tradeoff_figure(summaries, "accuracy")
    assert alt_text(figure).endswith("On the Pareto front: ewc, naive.")
    points = {trace.uid: trace for trace in figure.data}
    assert points["ewc"].error_y.array == pytest.approx([0.1])
    assert points["naive"].error_y.array is None


def test_where_lower_is_better_the_trade_off_runs_backwards_with_the_same_front() -> None:
    losses = pd.DataFrame(
        [
            {"label": "naive", "learning_accuracy": 2.0, "backward_transfer": -1.0},
            {"label": "ewc", "learning_accuracy": 3.0, "backward_transfer": -0.2},
            {"label": "bad", "learning_accuracy": 3.5, "backward_transfer": -2.0},
        ]
    )
    figure = tradeoff_figure(losses, "bits_per_byte")
    assert "bad" not in alt_text(figure)
    assert figure.layout.xaxis.autorange == "reversed"


def test_points_carry_their_names_towards_the_middle_and_off_each_other() -> None:
    points = pd.DataFrame(
        {
            "label": ["naive", "replay (replay_weight=1)", "ewc"],
            "learning_accuracy": [2.0, 3.0, 3.0], "backward_transfer": [-1.0, -0.22, -0.2],
        }
    )  # fmt: skip
    names = {trace.text[0]: trace.textposition for trace in tradeoff_figure(points, "accuracy").data[1:]}
    assert names == {"Naive": "bottom right", "Replay λ 1": "bottom left", "EWC": "top left"}
    names = {trace.text[0]: trace.textposition for trace in tradeoff_figure(points).data[1:]}
    assert names == {"Naive": "bottom left", "Replay λ 1": "bottom right", "EWC": "top right"}


def test_points_in_one_place_carry_no_names_over_each_other() -> None:
    points = pd.DataFrame(
        {"label": ["naive", "replay", "ewc"], "learning_accuracy": [2.0] * 3, "backward_transfer": [-1.0] * 3}
    )
    places = [trace.textposition for trace in tradeoff_figure(points).data[1:] if trace.text[0]]
    assert places == ["top right", "bottom right"]


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
        lambda: tradeoff_figure(pd.DataFrame(columns=["label", "learning_accuracy", "backward_transfer"])),
        lambda: cost_figure(RUNS.assign(seconds=np.nan)),
    ],
)
def test_without_data_every_figure_says_when_it_will_have_some(figure) -> None:
    drawn = figure()
    assert len(drawn.data) == 0
    assert alt_text(drawn)
