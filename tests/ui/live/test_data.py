"""The time until all runs of an experiment are over."""

import math

import pandas as pd

from ui.live.data import left_in_all

Rows = list[tuple[str, float, int | None]]


def runs(rows: Rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["status", "seconds_left", "position"])
    frame["position"] = frame["position"].astype("Int64")
    return frame


def test_one_run_at_a_time_takes_the_sum_of_all() -> None:
    rows: Rows = [("finished", math.nan, None), ("running", 10.0, None), ("queued", 20.0, 1), ("queued", 30.0, 2)]
    assert left_in_all(runs(rows)) == 60.0
    assert left_in_all(runs([("queued", 20.0, 1), ("queued", 30.0, 2)])) == 50.0
    assert left_in_all(runs([("paused", 10.0, None), ("queued", 20.0, 1)])) == 30.0
    assert left_in_all(runs([("finished", math.nan, None)])) == 0.0


def test_waiting_runs_follow_in_order_on_whichever_run_ends_first() -> None:
    rows: Rows = [("running", 10.0, None), ("running", 25.0, None), ("queued", 5.0, 3), ("queued", 30.0, 1)]
    rows.append(("queued", 20.0, 2))
    # by hand: 10 + 30 = 40 and 25 + 20 = 45, then 40 + 5 = 45
    assert left_in_all(runs(rows)) == 45.0
    assert left_in_all(runs([*rows, ("queued", 1.0, 4)])) == 46.0


def test_the_longest_run_is_a_floor_and_what_is_not_known_counts_for_nothing() -> None:
    rows: Rows = [("running", 100.0, None), ("running", 5.0, None), ("queued", 10.0, 1)]
    assert left_in_all(runs(rows)) == 100.0
    unmeasured: Rows = [
        ("running", math.nan, None),
        ("running", 8.0, None),
        ("queued", 5.0, 1),
        ("queued", math.nan, 2),
    ]
    assert left_in_all(runs(unmeasured)) == 8.0
