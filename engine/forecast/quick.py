"""The limits that make the quick preset quick for tasks of any size: worked out from the estimate, so that they are
those of the machine and the model."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.experiments.experiment import Experiment
from engine.experiments.training import Training
from engine.forecast.estimate import estimate
from engine.forecast.machine_speed import Speed
from engine.forecast.sizes import TaskSize

SECONDS = 120.0
"""The time that a quick experiment may take."""
LEAST_TOKENS = 1_000
"""The smallest limit of a stage: below it, nothing would be learnt."""
_SCORING = ((1.0, 1.0), (0.5, 1.0), (0.2, 0.5), (0.1, 0.0), (0.05, 0.0))
"""The parts of the held-out text and of the questions that may be left, and of the evaluations inside stages: the first
that is quick enough."""
_MOST_SCORING = 0.5
"""The part of the time that scoring may take."""
_DIGITS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


def quick_limits(
    experiment: Experiment,
    sizes: Sequence[TaskSize],
    speed: Speed,
    general: TaskSize | None = None,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """The values of `presets.LIMITED` with which all runs of `experiment` are estimated to take `seconds` at most, as
    few limits as that needs; its own training settings give all others.

    Scoring is cut to half of the time first, then the tokens of a stage to what is left. Where even the smallest limits
    take longer, they are given: the time is then for the reader to see.
    """
    training = experiment.training

    def taken(stage_tokens: int | None, scoring: tuple[float, float]) -> float:
        limits = _limits(training, stage_tokens, scoring)
        limited = experiment.model_copy(update={"training": replace(training, **limits)})
        return estimate(limited, [_asked(size, scoring[0]) for size in sizes], speed, general=general).seconds

    fitting = (scoring for scoring in _SCORING if taken(LEAST_TOKENS, scoring) <= _MOST_SCORING * seconds)
    scoring = next(fitting, _SCORING[-1])
    if taken(None, scoring) <= seconds:
        return _limits(training, None, scoring)
    candidates = [round(digit * 10**power) for power in range(3, 9) for digit in _DIGITS]
    longest = max((task.epochs or training.epochs) * size.train_tokens
                  for task, size in zip(experiment.tasks, sizes, strict=True))  # fmt: skip
    candidates = [each for each in candidates if each < longest] or [LEAST_TOKENS]
    fits = bisect_right(candidates, seconds, key=lambda tokens: taken(tokens, scoring))
    return _limits(training, candidates[max(0, fits - 1)], scoring)


def _limits(training: Training, stage_tokens: int | None, scoring: tuple[float, float]) -> dict[str, Any]:
    share, inside = scoring
    return {
        "stage_tokens": stage_tokens,
        "held_out_tokens": max(1, round(training.held_out_tokens * share)),
        "answer_questions": round(training.answer_questions * share),
        "evaluations_per_stage": max(1, round(training.evaluations_per_stage * inside)),
    }


def _asked(size: TaskSize, share: float) -> TaskSize:
    """A task of whose questions only a share is asked."""
    return replace(size, asked_tokens=round(size.asked_tokens * share), answer_tokens=round(size.answer_tokens * share))
