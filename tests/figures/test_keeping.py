"""Learning against keeping."""

import itertools

import numpy as np
import pandas as pd
import pytest

from figures.keeping import keeping_figure
from figures.theme import GREY, alt_text, strategy_styles

LABELS = ["naive", "ewc (ewc_strength=1)", "joint"]
SUMMARIES = pd.DataFrame(
    {
        "label": LABELS, "learning_accuracy": [2.0, 3.0, 3.5], "backward_transfer": [-1.0, -0.2, -2.0],
        "backward_transfer_low": [np.nan, -0.3, np.nan], "backward_transfer_high": [np.nan, -0.1, np.nan],
    }
)  # fmt: skip
RUNS = pd.DataFrame(
    {
        "label": [label for label in LABELS for _ in (0, 1)], "seed": [0, 1] * 3,
        "learning_accuracy": [1.9, 2.1, 2.9, 3.1, 3.4, 3.6],
        "backward_transfer": [-1.1, -0.9, -0.25, -0.15, -2.1, -1.9],
    }
)  # fmt: skip


def traces(score: str = "accuracy", **changes: object) -> dict[str, object]:
    return {trace.uid: trace for trace in keeping_figure(SUMMARIES, RUNS, score, **changes).data}  # type: ignore[arg-type]


def test_seeds_are_small_dots_around_the_mean_which_has_its_interval() -> None:
    drawn = traces()
    seeds, mean = drawn["seeds-ewc (ewc_strength=1)"], drawn["ewc (ewc_strength=1)"]
    assert list(seeds.x) == [2.9, 3.1]  # type: ignore[attr-defined]
    assert (seeds.marker.size, mean.marker.size) == (6, 13)  # type: ignore[attr-defined]
    assert mean.error_y.array == pytest.approx([0.1])  # type: ignore[attr-defined]
    assert drawn["naive"].error_y.array is None  # type: ignore[attr-defined]


def test_the_best_in_both_are_named_and_joined_whatever_the_direction_of_the_score() -> None:
    assert alt_text(keeping_figure(SUMMARIES, RUNS, "accuracy")).endswith("in both: ewc (ewc_strength=1), joint.")
    front = traces()["front"]
    assert list(front.x) == [3.0, 3.5]  # type: ignore[attr-defined]
    losses = keeping_figure(SUMMARIES, RUNS, "bits_per_byte")
    assert alt_text(losses).endswith("in both: naive, ewc (ewc_strength=1).")
    left, right = losses.layout.xaxis.range
    assert left > right, "a lower loss is better: the axis runs backwards"


def test_every_mean_and_seed_and_the_line_of_nothing_lost_lie_inside_the_axes() -> None:
    wide = SUMMARIES.assign(backward_transfer_low=-90.0, backward_transfer_high=90.0)
    for summaries in (SUMMARIES, wide, SUMMARIES.iloc[:1]):
        own = RUNS[RUNS["label"].isin(summaries["label"])]
        figure = keeping_figure(summaries, own, "bits_per_byte")
        (right, left), (low, high) = figure.layout.xaxis.range, figure.layout.yaxis.range
        for values, start, end in (("learning_accuracy", left, right), ("backward_transfer", low, high)):
            found = [*summaries[values], *own[values]]
            assert start < min(found) <= max(found) < end
        assert low < 0 < high
        assert high - low < 12, "an interval that is wider than all else does not set the scale"


def test_dashed_lines_lead_from_the_references_to_both_axes() -> None:
    shapes = keeping_figure(SUMMARIES, RUNS, references=["naive"]).layout.shapes
    assert [(shape.x0, shape.y0) for shape in shapes] == [(0, -1.0), (2.0, 0)]


def test_a_strategy_that_is_not_drawn_is_grey_and_named_on_hover_alone() -> None:
    styles = strategy_styles(LABELS, (), ["joint"])
    drawn = traces(styles=styles)
    assert drawn["naive"].marker.color == GREY  # type: ignore[attr-defined]
    assert "naive" in drawn["naive"].hovertext  # type: ignore[attr-defined]
    assert [uid for uid in drawn if uid.startswith("seeds")] == ["seeds-joint"]
    assert [note.text for note in keeping_figure(SUMMARIES, RUNS, styles=styles).layout.annotations] == ["Joint"]


def test_names_that_stand_together_are_apart_in_the_figure() -> None:
    labels = [f"replay (replay_weight={n})" for n in range(12)]
    near = pd.DataFrame({"label": labels, "learning_accuracy": 2.0, "backward_transfer": -0.5})
    notes = keeping_figure(near, RUNS.iloc[:0]).layout.annotations
    assert len(notes) == 12
    for one, other in itertools.combinations(notes, 2):
        assert abs(one.ay - other.ay) >= 16 or abs(one.ax - other.ax) >= 7 * min(len(one.text), len(other.text))


def test_without_a_finished_run_the_figure_says_when_it_will_have_some() -> None:
    empty = keeping_figure(SUMMARIES.iloc[:0], RUNS.iloc[:0])
    assert not empty.data
    assert alt_text(empty) == "Learning and keeping appear once a run has finished two tasks."
