"""The limits of the quick preset: within the time for tasks of any size, and no tighter than that needs."""

from dataclasses import replace

import pytest

from engine.experiments.experiment import Experiment, experiment_from
from engine.experiments.presets import LIMITED, PRESETS, preset_of
from engine.forecast.estimate import estimate
from engine.forecast.machine_speed import Speed
from engine.forecast.quick import LEAST_TOKENS, quick_limits
from engine.forecast.sizes import TaskSize

SPEED = Speed(10_000.0, 5_000.0, 1_000, 7, "cpu", 40)


def of_tasks(number: int, tokens: int, **about: int) -> tuple[Experiment, list[TaskSize]]:
    tasks = [{"name": f"t{each}", "train": f"{each}.txt"} for each in range(number)]
    training = {"epochs": 1, "evaluations_per_stage": 4}
    data = {"name": "e", "tasks": tasks, "strategies": ["naive", "replay", "joint"], "training": training}
    size = TaskSize("t", max(1, tokens // 200), tokens, max(50, tokens // 10), max(1, tokens // 2000), **about)
    return experiment_from(data), [replace(size, name=f"t{each}") for each in range(number)]


def seconds(
    experiment: Experiment, sizes: list[TaskSize], limits: dict[str, int | None], speed: Speed = SPEED
) -> float:
    limited = experiment.model_copy(update={"training": replace(experiment.training, **limits)})
    return estimate(limited, sizes, speed).seconds


def test_small_tasks_are_read_whole() -> None:
    experiment, sizes = of_tasks(3, 5_000)
    limits = quick_limits(experiment, sizes, SPEED)
    assert set(limits) == set(LIMITED)
    assert limits == {name: getattr(PRESETS["quick"], name) for name in LIMITED}


@pytest.mark.parametrize("number", [2, 3, 10])
@pytest.mark.parametrize("tokens", [300_000, 3_000_000, 300_000_000])
def test_large_tasks_take_about_two_minutes_and_a_third_more_would_take_longer(number: int, tokens: int) -> None:
    experiment, sizes = of_tasks(number, tokens)
    limits = quick_limits(experiment, sizes, SPEED)
    assert 60 < seconds(experiment, sizes, limits) <= 120
    assert seconds(experiment, sizes, limits | {"stage_tokens": 1.34 * limits["stage_tokens"]}) > 120
    assert preset_of(replace(experiment.training, **limits)) == "quick"


def test_twice_the_speed_reads_about_twice_as_much() -> None:
    experiment, sizes = of_tasks(3, 3_000_000)
    fast = replace(SPEED, training_tokens_per_second=20_000.0, fisher_tokens_per_second=10_000.0)
    slow, twice = (quick_limits(experiment, sizes, speed)["stage_tokens"] for speed in (SPEED, fast))
    assert 1.6 <= twice / slow <= 2.6


def test_scoring_leaves_half_of_the_time_to_training() -> None:
    experiment, sizes = of_tasks(10, 3_000_000)
    slow = replace(SPEED, training_tokens_per_second=4_000.0)
    limits = quick_limits(experiment, sizes, slow)
    assert limits["held_out_tokens"] < PRESETS["quick"].held_out_tokens
    assert limits["stage_tokens"] > LEAST_TOKENS
    assert seconds(experiment, sizes, limits, slow) <= 120


def test_questions_are_cut_with_the_held_out_text() -> None:
    experiment, sizes = of_tasks(4, 500_000, asked_tokens=20_000, answer_tokens=6_400)
    limits = quick_limits(experiment, sizes, SPEED)
    assert limits["answer_questions"] < PRESETS["quick"].answer_questions
    share = limits["answer_questions"] / PRESETS["quick"].answer_questions
    asked = [replace(size, asked_tokens=round(20_000 * share), answer_tokens=round(6_400 * share)) for size in sizes]
    assert seconds(experiment, asked, limits) <= 120


def test_what_can_t_be_quick_gets_the_smallest_limits() -> None:
    experiment, sizes = of_tasks(10, 3_000_000)
    limits = quick_limits(experiment, sizes, replace(SPEED, training_tokens_per_second=10.0))
    assert limits == {
        "stage_tokens": LEAST_TOKENS,
        "held_out_tokens": 1_000,
        "answer_questions": 5,
        "evaluations_per_stage": 1,
    }
