"""A score matrix in a few numbers.

R[t][j], t = 0 … T, j = 1 … T: the score on task j's held-out text after stage t; row 0 is the base model. All
formulas are for a score s where higher is better; a loss is negated first. Backward and forward transfer after
Lopez-Paz and Ranzato 2017 (https://arxiv.org/abs/1706.08840), forgetting and intransigence after Chaudhry et al.
2018 (https://arxiv.org/abs/1801.10112).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

Matrix = Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Summary:
    """Each is None where undefined, with the reason under its name in `reasons`."""

    average: float | None
    """mean_j s[T, j]"""
    backward_transfer: float | None
    """mean_{j<T} (s[T, j] − s[j, j])"""
    forward_transfer: float | None
    """mean_{j≥2} (s[j−1, j] − s[0, j]): row 0, the base model, is the baseline"""
    forgetting: float | None
    """mean_{j<T} (max_{1≤t<T} s[t, j] − s[T, j]); negative where the last stage improved on every earlier one"""
    learning_accuracy: float | None
    """mean_j s[j, j]"""
    relative_forgetting: tuple[float | None, ...]
    """per task j < T: (s[j, j] − s[T, j]) / (s[j, j] − s[0, j]); above 1: worse than never having learned it"""
    reasons: dict[str, str] = field(default_factory=dict)


def summarize(matrix: Matrix, lower_is_better: bool) -> Summary:
    """Summaries of a (T+1) × T matrix; rows of stages that are not reached yet may be missing or hold None.

    A task that lacks the score altogether, as plain text lacks exact match, has a column of None or NaN: the means are
    over the others.
    """
    tasks = len(matrix[0]) if matrix else 0
    s = [[math.nan if x is None else (-x if lower_is_better else x) for x in row] for row in matrix]
    columns = [j for j in range(tasks) if not all(math.isnan(row[j]) for row in s)]
    reason = ""
    if tasks == 0 or len(s) < tasks + 1 or any(all(x is None for x in row) for row in matrix):
        reason = "the run has not finished all its stages"
    elif not columns:
        reason = "no task has this score"
    elif not all(math.isfinite(row[j]) for row in s for j in columns):
        reason = "the matrix is not complete"
    if reason:
        names = ("average", "backward_transfer", "forward_transfer", "forgetting", "learning_accuracy")
        nothing = (None,) * max(tasks - 1, 0)
        return Summary(None, None, None, None, None, nothing, dict.fromkeys((*names, "relative_forgetting"), reason))
    return _complete(s, tasks, columns)


def _complete(s: list[list[float]], tasks: int, columns: Sequence[int]) -> Summary:
    """All of them from the complete columns of a matrix; s[t][j] with j from 0."""
    last, own = s[tasks], {j: s[j + 1][j] for j in columns}
    past, later = [j for j in columns if j < tasks - 1], [j for j in columns if j > 0]
    reasons: dict[str, str] = {}
    if tasks < 2:
        reasons["forward_transfer"] = "it takes two tasks or more"
    elif not later:
        reasons["forward_transfer"] = "no later task has this score"
    if not past:
        why = "it takes two tasks or more" if tasks < 2 else "no earlier task has this score"
        reasons |= dict.fromkeys(("backward_transfer", "forgetting", "relative_forgetting"), why)
    backward = fmean(last[j] - own[j] for j in past) if past else None
    forward = fmean(s[j][j] - s[0][j] for j in later) if later else None
    forgetting = fmean(max(s[t][j] for t in range(1, tasks)) - last[j] for j in past) if past else None
    relative: list[float | None] = []
    for j in range(tasks - 1):
        learned = own[j] - s[0][j] if j in own else 0.0
        relative.append((own[j] - last[j]) / learned if learned > 0 else None)
        if j not in own and past:
            reasons.setdefault("relative_forgetting", "not every task has this score")
        elif learned <= 0 and past:
            reasons["relative_forgetting"] = "a task whose own stage taught nothing has nothing to forget"
    average, learning = fmean(last[j] for j in columns), fmean(own.values())
    return Summary(average, backward, forward, forgetting, learning, tuple(relative), reasons)


def retention(summary: Summary) -> float | None:
    """mean_j (1 − relative forgetting of j) over the past tasks whose own stage taught something: the share of what was
    learnt that the final model still has. 1 is all of it; below 0 a task scores worse than if it had never been
    learnt."""
    known = [1 - lost for lost in summary.relative_forgetting if lost is not None]
    return fmean(known) if known else None


def intransigence(joint: Matrix, matrix: Matrix, lower_is_better: bool) -> float | None:
    """mean_j (s_joint[j, j] − s[j, j]): how much a strategy learns each task less well than joint training does."""
    a, b = summarize(joint, lower_is_better).learning_accuracy, summarize(matrix, lower_is_better).learning_accuracy
    return None if a is None or b is None else a - b


def stability_gap(after_own_stage: float, inside_later_stages: Sequence[float], lower_is_better: bool) -> float | None:
    """The worst fall of an old task inside a later stage, in the score's own unit; 0 where it never fell."""
    if not inside_later_stages:
        return None
    worst = max(inside_later_stages) if lower_is_better else min(inside_later_stages)
    return max(0.0, worst - after_own_stage if lower_is_better else after_own_stage - worst)


def mean_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean over seeds with its 95% interval by Student's t; no bounds for a single value or an infinite one.
    Empty input is an error."""
    from scipy.special import stdtrit  # a page without an interval needn't wait for it

    mean = fmean(values)
    if len(values) < 2 or not math.isfinite(mean):
        return mean, None, None
    freedom = len(values) - 1
    half = float(stdtrit(freedom, 0.975)) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half
