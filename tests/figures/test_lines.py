import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from figures.lines import MAX_POINTS, Line, last_step, lines_of, smoothed, thin
from tests.figures import frames

VALUES = st.floats(min_value=-1e6, max_value=1e6) | st.just(float("nan"))


@given(arrays(float, st.integers(0, 400), elements=VALUES), st.integers(8, 64))
def test_thinning_keeps_the_ends_the_order_and_both_extremes_within_the_limit(values: np.ndarray, limit: int) -> None:
    steps = np.arange(1, len(values) + 1)
    kept, heights = thin(steps, values, limit)
    assert len(kept) <= limit
    assert (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(heights, values[kept - 1])
    if len(values):
        assert (kept[0], kept[-1]) == (1, len(values))
    if not np.isnan(values).all():
        assert (np.nanmin(heights), np.nanmax(heights)) == (np.nanmin(values), np.nanmax(values))


@given(st.integers(2_000, 50_000), st.data())
def test_a_single_spike_is_never_lost_however_long_the_run(length: int, data: st.DataObject) -> None:
    values = np.sin(np.arange(length) / 100)
    at = data.draw(st.integers(0, length - 1))
    values[at] = data.draw(st.sampled_from([-99.0, 99.0]))
    kept, _ = thin(np.arange(length), values)
    assert at in kept
    assert len(kept) <= MAX_POINTS


def test_the_last_point_is_kept_whatever_the_length() -> None:
    for length in range(1_501, 3_000):
        assert thin(np.arange(length), np.zeros(length))[0][-1] == length - 1


def test_few_points_are_left_as_they_are() -> None:
    steps, values = np.arange(1500), np.zeros(1500)
    assert thin(steps, values) == (steps, values)


def test_an_average_takes_the_last_steps_of_its_own_stage_and_leaves_gaps_out() -> None:
    nan = float("nan")
    line = Line(np.array([1, 1, 1, 1, 2, 2, 2]), np.arange(1, 8), np.array([1.0, 3.0, nan, 5.0, 10.0, nan, 20.0]))
    assert smoothed(line, 2) == pytest.approx([1.0, 2.0, 3.0, 5.0, 10.0, 10.0, 20.0])
    assert np.isnan(smoothed(Line(np.array([1]), np.array([1]), np.array([nan])), 2)).all()


def test_a_huge_loss_leaves_no_trace_in_the_averages_after_it() -> None:
    values = np.array([1e18, *np.full(40, 0.1)])
    line = Line(np.ones(41, np.int64), np.arange(1, 42), values)
    assert smoothed(line, 10)[10:] == pytest.approx(np.full(31, 0.1))


def test_lines_are_the_terms_of_a_frame_in_the_order_of_steps() -> None:
    lines = lines_of(frames.losses(3).iloc[::-1])
    assert list(lines) == ["new", "total"]
    assert lines["new"].steps.tolist() == [1, 2, 3]
    assert lines["new"].values.tolist() == [1, 1 / 2, 1 / 3]
    assert last_step(lines) == 3
    assert last_step({}) == 0
