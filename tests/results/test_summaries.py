import math

import pytest

from engine.results.summaries import intransigence, mean_interval, retention, stability_gap, summarize

ACCURACY = [
    [0.10, 0.20, 0.30],
    [0.60, 0.25, 0.35],
    [0.70, 0.80, 0.20],
    [0.40, 0.50, 0.90],
]
"""Task 1 peaks late, after stage 2; stage 1 helped task 2 by 0.05; stages 1 and 2 hurt task 3 by 0.10."""


def test_summaries_of_a_hand_made_matrix() -> None:
    s = summarize(ACCURACY, lower_is_better=False)
    assert s.average == pytest.approx((0.40 + 0.50 + 0.90) / 3)
    assert s.backward_transfer == pytest.approx(((0.40 - 0.60) + (0.50 - 0.80)) / 2)
    assert s.learning_accuracy == pytest.approx((0.60 + 0.80 + 0.90) / 3)
    assert s.relative_forgetting == pytest.approx((0.20 / 0.50, 0.30 / 0.60))
    assert s.reasons == {}


def test_forward_transfer_is_measured_against_the_base_model() -> None:
    s = summarize(ACCURACY, lower_is_better=False)
    assert s.forward_transfer == pytest.approx(((0.25 - 0.20) + (0.20 - 0.30)) / 2)


def test_forgetting_counts_from_a_late_peak() -> None:
    s = summarize(ACCURACY, lower_is_better=False)
    assert s.forgetting == pytest.approx(((0.70 - 0.40) + (0.80 - 0.50)) / 2)


def test_forgetting_is_negative_where_the_last_stage_improved_everything() -> None:
    assert summarize([[0.1, 0.1], [0.5, 0.1], [0.7, 0.6]], lower_is_better=False).forgetting == pytest.approx(-0.2)


def test_what_the_base_model_knew_and_the_first_stage_undid_is_not_forgetting() -> None:
    # max over 1 ≤ t < T of 0.5 and 0.4, not the 0.9 of row 0
    assert summarize([[0.9, 0.1], [0.5, 0.1], [0.4, 0.6]], lower_is_better=False).forgetting == pytest.approx(0.1)


def test_a_loss_and_its_negative_as_a_score_give_the_same_summaries() -> None:
    losses = [[-x for x in row] for row in ACCURACY]
    assert summarize(losses, lower_is_better=True) == summarize(ACCURACY, lower_is_better=False)


def test_one_task_has_an_average_and_reasons_for_the_rest() -> None:
    s = summarize([[0.1], [0.5]], lower_is_better=False)
    assert (s.average, s.learning_accuracy) == (0.5, 0.5)
    assert (s.backward_transfer, s.forward_transfer, s.forgetting) == (None, None, None)
    assert "two tasks" in s.reasons["forgetting"]


def test_an_unfinished_run_has_no_summary_but_a_reason() -> None:
    s = summarize(ACCURACY[:3], lower_is_better=False)
    assert s.average is None
    assert "not finished" in s.reasons["average"]
    with_hole = [*ACCURACY[:3], [0.4, None, 0.9]]
    assert summarize(with_hole, lower_is_better=False).reasons["forgetting"] == "the matrix is not complete"


def test_relative_forgetting_is_undefined_where_nothing_was_learned() -> None:
    s = summarize([[0.5, 0.1], [0.4, 0.1], [0.3, 0.2]], lower_is_better=False)
    assert s.relative_forgetting == (None,)
    assert "taught nothing" in s.reasons["relative_forgetting"]


def test_what_was_kept_is_a_share_of_what_each_task_s_own_stage_taught() -> None:
    assert retention(summarize(ACCURACY, lower_is_better=False)) == pytest.approx((3 / 5 + 3 / 6) / 2)
    losses = [[-x for x in row] for row in ACCURACY]
    assert retention(summarize(losses, lower_is_better=True)) == pytest.approx(0.55)
    all_kept = [[0.1, 0.2], [0.5, 0.2], [0.5, 0.6]]
    assert retention(summarize(all_kept, lower_is_better=False)) == 1.0
    worse_than_unlearnt = [[0.4, 0.2], [0.5, 0.2], [0.2, 0.6]]
    assert retention(summarize(worse_than_unlearnt, lower_is_better=False)) == pytest.approx(-2.0)


def test_a_task_that_taught_nothing_has_nothing_to_keep() -> None:
    rows = [[0.5, 0.1, 0.1], [0.4, 0.1, 0.1], [0.3, 0.5, 0.1], [0.2, 0.3, 0.9]]
    assert retention(summarize(rows, lower_is_better=False)) == pytest.approx(0.5)
    assert retention(summarize([[0.5, 0.1], [0.4, 0.1], [0.3, 0.2]], lower_is_better=False)) is None
    assert retention(summarize([[0.1], [0.5]], lower_is_better=False)) is None


def test_intransigence_is_what_joint_learned_beyond() -> None:
    joint = [[0.1, 0.1], [0.7, 0.1], [0.7, 0.9]]
    assert intransigence(joint, [[0.1, 0.1], [0.5, 0.1], [0.3, 0.8]], False) == pytest.approx(0.15)


def test_the_stability_gap_is_the_worst_fall_inside_later_stages() -> None:
    assert stability_gap(2.0, [2.1, 2.9, 2.2], lower_is_better=True) == pytest.approx(0.9)
    assert stability_gap(0.8, [0.7, 0.5, 0.75], lower_is_better=False) == pytest.approx(0.3)
    assert stability_gap(0.8, [0.9], lower_is_better=False) == 0.0
    assert stability_gap(0.8, [], lower_is_better=False) is None


def test_the_interval_over_three_seeds_is_students() -> None:
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    half = 4.302653 * 1.0 / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    assert mean_interval([1.5]) == (1.5, None, None)


def test_the_interval_over_seventeen_seeds_has_the_quantile_of_sixteen_degrees() -> None:
    mean, low, high = mean_interval([float(n) for n in range(17)])  # variance 17 · 18 / 12
    half = 2.119905 * math.sqrt(25.5 / 17)
    assert (mean, low, high) == pytest.approx((8.0, 8.0 - half, 8.0 + half))


def test_the_interval_narrows_without_a_jump_beyond_the_table() -> None:
    def half(n: int) -> float:
        mean, low, _ = mean_interval([float(i % 2) for i in range(n)])
        return mean - low if low is not None else math.inf

    halves = [half(n) for n in range(4, 40, 2)]
    assert halves == sorted(halves, reverse=True)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_means_are_over_the_tasks_that_have_the_score(missing: float | None) -> None:
    rows = [[missing, row[1], row[2]] for row in ACCURACY]
    s = summarize(rows, lower_is_better=False)
    assert s.average == pytest.approx((0.50 + 0.90) / 2)
    assert s.learning_accuracy == pytest.approx((0.80 + 0.90) / 2)
    assert s.backward_transfer == pytest.approx(0.50 - 0.80)
    assert s.forgetting == pytest.approx(0.80 - 0.50)
    assert s.forward_transfer == pytest.approx(((0.25 - 0.20) + (0.20 - 0.30)) / 2)
    assert s.relative_forgetting == (None, pytest.approx(0.30 / 0.60))
    assert s.reasons == {"relative_forgetting": "not every task has this score"}
    last_alone = summarize([[missing, missing, row[2]] for row in ACCURACY], lower_is_better=False)
    assert (last_alone.average, last_alone.forgetting) == (0.9, None)
    assert last_alone.reasons["forgetting"] == "no earlier task has this score"
    none = summarize([[missing] * 3] * 4, lower_is_better=False)
    assert none.average is None
    assert none.reasons["average"]
