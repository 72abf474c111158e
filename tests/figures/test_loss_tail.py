"""A chart that is drawn at one step and grows by its tail is the chart that would be drawn at the last."""

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from figures.curves import loss_figure, smoothing_window
from figures.lines import Line, smoothed
from figures.loss_tail import longest_tail, loss_tail
from tests.figures import frames


def line(values: list[float], per_stage: int) -> Line:
    steps = np.arange(1, len(values) + 1)
    return Line((steps - 1) // per_stage + 1, steps, np.array(values))


def numbers(typed: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.frombuffer(base64.b64decode(typed["bdata"]), np.dtype(typed["dtype"]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    drawn_to=st.integers(1, 700), more=st.integers(1, 60), per_stage=st.integers(1, 400), gap=st.integers(0, 759),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_figure_and_tail_are_the_averages_of_all_points(
    drawn_to: int, more: int, per_stage: int, gap: int, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(3, 1, drawn_to + more)
    if gap < len(values):
        values[gap] = np.nan
    whole, window = line(values.tolist(), per_stage), smoothing_window(drawn_to)
    tail = loss_tail({"new": whole, "ewc pull": whole}, drawn_to)
    assert numbers(tail["new"]["x"]).tolist() == list(range(drawn_to + 1, drawn_to + more + 1))
    np.testing.assert_array_equal(numbers(tail["new"]["y"]), smoothed(whole, window)[drawn_to:].astype(np.float32))
    np.testing.assert_array_equal(numbers(tail["ewc pull"]["y"]), values[drawn_to:].astype(np.float32))
    if window > 1:
        np.testing.assert_array_equal(numbers(tail["new-raw"]["y"]), values[drawn_to:].astype(np.float32))
    assert set(tail) == {"new", "ewc pull"} | ({"new-raw"} if window > 1 else set())


@pytest.mark.parametrize("drawn_to", [50, 119, 120, 200, 1000])
def test_the_tail_is_for_traces_that_the_figure_has(drawn_to: int) -> None:
    terms = {"new": line([1.0] * 1200, 600), "replay": line([2.0] * 1200, 600), "total": line([3.0] * 1200, 600)}
    begun = {term: Line(each.stages[:drawn_to], each.steps[:drawn_to], each.values[:drawn_to])
             for term, each in terms.items()}  # fmt: skip
    figure = loss_figure(begun, frames.curve({}), frames.stages(600), frames.TASKS)
    assert set(loss_tail(terms, drawn_to)) <= {trace.uid for trace in figure.data}


def test_a_line_without_news_has_no_tail() -> None:
    assert loss_tail({"new": line([1.0] * 9, 9)}, 9) == {}


@pytest.mark.parametrize(("drawn_to", "steps"), [(0, 40), (100, 40), (400, 100), (200_000, 400)])
def test_a_figure_is_drawn_anew_after_a_share_of_its_steps(drawn_to: int, steps: int) -> None:
    assert longest_tail(drawn_to) == steps
