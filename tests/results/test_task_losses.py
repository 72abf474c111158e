"""What happened to each task, from the score matrix."""

import math

import pytest

from engine.results.task_losses import task_losses

LOSS = [[4.0, 5.0, 6.0], [2.0, 4.5, 6.0], [2.5, 1.5, 6.0], [3.5, 1.25, 1.0]]
"""Lower is better: the base model, then three stages."""


def test_a_task_lost_what_its_score_fell_by_since_its_own_stage_and_most_of_it_where_it_fell_most() -> None:
    first, second, third = task_losses(LOSS, "bits_per_byte")
    assert (first.untrained, first.learned, first.ended, first.lost) == (4.0, 2.0, 3.5, 1.5)
    assert (first.worst_stage, first.lost_there) == (3, 1.0)
    assert (second.lost, second.worst_stage, second.lost_there) == (-0.25, None, 0.0)
    assert (third.lost, third.is_earlier, third.worst_stage) == (0.0, False, None)
    assert [each.task for each in (first, second, third)] == [1, 2, 3]
    assert [each.gained for each in (first, second, third)] == [2.0, 3.5, 5.0]


def test_accuracy_that_rises_is_no_loss() -> None:
    (first, _, _) = task_losses([[1 - value / 10 for value in row] for row in LOSS], "accuracy")
    assert first.lost == pytest.approx(0.15)
    assert (first.worst_stage, first.lost_there) == (3, pytest.approx(0.1))


def test_what_was_lost_and_found_again_is_named_by_the_stage_that_lost_it() -> None:
    (first, *_) = task_losses([[4, 4, 4], [2, 4, 4], [5, 2, 4], [2, 2, 2]], "nats_per_token")
    assert (first.lost, first.worst_stage, first.lost_there) == (0, 2, 3)


def test_a_run_that_has_not_come_far_has_only_the_tasks_that_were_trained() -> None:
    assert task_losses([], "bits_per_byte") == []
    assert task_losses(LOSS[:1], "bits_per_byte") == []
    assert [each.task for each in task_losses(LOSS[:3], "bits_per_byte")] == [1, 2]


def test_a_loss_that_is_no_number_any_more_is_a_loss() -> None:
    (first, *_) = task_losses([*LOSS[:3], [math.inf, 1, 1]], "perplexity")
    assert (first.lost, first.worst_stage) == (math.inf, 3)


def test_a_stage_that_taught_nothing_of_its_own_task_is_no_loss_since_then() -> None:
    (first, _) = task_losses([[2.0, 4.0], [3.0, 4.0], [2.5, 1.0]], "bits_per_byte")
    assert (first.gained, first.lost, first.worst_stage) == (-1.0, -0.5, None)
