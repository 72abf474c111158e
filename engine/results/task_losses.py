"""What happened to each task in the course of a run: what it learnt, what it lost afterwards, and at which stage."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.results.comparison import sign


@dataclass(frozen=True)
class TaskLoss:
    """A task that was trained, by its column of the score matrix R. Scores are in the score's own unit; losses are
    above 0 where the later model is worse, whatever the score."""

    task: int
    """Its number in the order of training, from 1; its own stage has the same."""
    untrained: float
    """R[0, j]: the base model's score."""
    learned: float
    """R[j, j]: right after its own stage."""
    ended: float
    """R[T, j]: after the last stage."""
    gained: float
    """From the base model to the end of its own stage; above 0 where it got better."""
    lost: float
    """From the end of its own stage to the last."""
    worst_stage: int | None
    """The stage over which it lost most; None where it lost nothing at any."""
    lost_there: float
    """Over that stage alone; 0 where there is none."""
    is_earlier: bool
    """Whether a stage came after its own, so that anything could be lost."""


def task_losses(rows: Sequence[Sequence[float]], score: str) -> list[TaskLoss]:
    """Every task whose own stage is over, in the order of training, from the rows of a score matrix: that of the base
    model, then one a stage, as far as the run has come."""
    factor, last = sign(score), len(rows) - 1
    found = []
    for task in range(1, min(last, len(rows[0]) if rows else 0) + 1):
        scores = [row[task - 1] for row in rows]
        falls = [(factor * (scores[t - 1] - scores[t]), t) for t in range(task + 1, last + 1)]
        fall, worst = max(((fall, t) for fall, t in falls if fall > 0), default=(0.0, None), key=lambda each: each[0])
        gained, lost = factor * (scores[task] - scores[0]), factor * (scores[task] - scores[last])
        found.append(TaskLoss(task, scores[0], scores[task], scores[last], gained, lost, worst, fall, task < last))
    return found
