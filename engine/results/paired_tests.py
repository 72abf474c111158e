"""Paired tests over draws: whether one strategy kept more than another, or chance may have made the difference.

Two runs of one seed see the same random numbers: the same order of the data, the same held-out documents. Where the
order of the tasks varies, runs of one order see the same tasks before each. What these draws do to both runs cancels in
the difference dₛ of their scores, so the test is that of the differences (Student 1908), s over seeds, or over pairs of
an order and a seed:

    mean d = Σ dₛ / n,    t = mean d / (s / √n),    s² = Σ (dₛ − mean d)² / (n − 1),    p = P(|T| ≥ |t|),  T ~ t(n − 1)

with the 95% interval mean d ± t₀.₉₇₅(n − 1) s / √n. Intervals of two means are no test: they hold what the draws do to
both, and overlap where every seed says the same. The orders are taken as they are: what a strategy does more of in one
than in another widens s, and nothing is said of orders that were not trained.

The best strategy is found by the same scores, so all k(k − 1)/2 pairs of k strategies have been looked at. Their p are
corrected together by Holm's step-down (Holm 1979, Scandinavian Journal of Statistics 6:65): the chance that any of
them is called a difference where there is none is 5% at most. A correction over the k − 1 pairs with the best alone
does not hold that: without any difference 7% to 15% of comparisons of 4 to 12 strategies over ten seeds named one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from engine.results.summaries import mean_interval

SIGNIFICANCE = 0.05
POWER = 0.8
"""The share of experiments in which `detectable` differences are established."""
_ROUNDING = 1e-9
"""Differences that vary by less than this share of the scores are equal: the rest is rounding."""

Array = NDArray[np.float64]
Draw = int | tuple[tuple[str, ...], int]
"""A seed, or the order of the tasks and a seed."""
Scores = Mapping[str, Mapping[Draw, float]]
"""Each configuration's score by draw, where higher is better; all of the same draws."""


@dataclass(frozen=True)
class PairedDifference:
    """How much better `better` scores than `rival`, over the draws of both."""

    better: str
    rival: str
    by_seed: Mapping[Draw, float]
    """By seed, or by order and seed where the order of the tasks varies."""
    mean: float
    half_width: float | None
    """Half the width of the mean's 95% interval; None where there is nothing to take it from, as `p`."""
    p: float | None
    """Of the paired t-test with two sides; None for one seed, and where the difference is the same in every seed."""
    corrected_p: float | None
    """After Holm's correction."""
    comparisons: int
    """The number of pairs that were corrected together."""

    @property
    def is_established(self) -> bool:
        return self.corrected_p is not None and self.corrected_p < SIGNIFICANCE

    @property
    def seeds_better(self) -> int:
        return sum(difference > 0 for difference in self.by_seed.values())

    @property
    def draws(self) -> str:
        """The word for what the differences are over, in the plural."""
        varies = any(isinstance(draw, tuple) for draw in self.by_seed)
        return "pairs of order and seed" if varies else "seeds"

    @property
    def is_nothing(self) -> bool:
        """Whether both score the same in every seed, to the last digit."""
        return not any(self.by_seed.values())


def differences_to(best: str, scores: Scores) -> tuple[PairedDifference, ...]:
    """The paired differences of `best` to every other configuration, in their order, each tested.

    The correction counts every pair of configurations; a pair that can't be tested counts as one without a difference.
    """
    names, seeds = list(scores), sorted(scores[best])
    table = np.array([[scores[name][seed] for seed in seeds] for name in names])
    one, other = np.triu_indices(len(names), 1)
    p_values = [None if np.isnan(p) else float(p) for p in paired_p(table[one], table[other])]
    corrected = holm(p_values)
    found = []
    for pair in np.flatnonzero((one == names.index(best)) | (other == names.index(best))):
        rival = next(name for name in (names[one[pair]], names[other[pair]]) if name != best)
        by_seed = {seed: scores[best][seed] - scores[rival][seed] for seed in seeds}
        mean = fmean(by_seed.values())
        high = None if p_values[pair] is None else mean_interval(list(by_seed.values()))[2]
        half_width = None if high is None else high - mean
        found.append(
            PairedDifference(best, rival, by_seed, mean, half_width, p_values[pair], corrected[pair], len(one))
        )
    return tuple(found)


def paired_p(one: Array, other: Array) -> Array:
    """The p of the paired t-test with two sides, over the draws on the last axis.

    NaN for one seed, where the difference is the same in every seed, and where a score is infinite.
    """
    from scipy.special import stdtr  # a page without a comparison needn't wait for it

    seeds = one.shape[-1]
    if seeds < 2:
        return np.full(one.shape[:-1], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):  # infinite scores and equal differences: NaN below
        differences = one - other
        spread = differences.std(axis=-1, ddof=1)
        t = differences.mean(axis=-1) / (spread / sqrt(seeds))
    largest = np.maximum(np.abs(one).max(axis=-1), np.abs(other).max(axis=-1))
    is_tested = np.isfinite(largest) & (spread > _ROUNDING * largest)
    p: Array = np.where(is_tested, 2 * stdtr(seeds - 1, -np.abs(t)), np.nan)
    return p


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down: the i-th smallest of m, times m − i + 1, but no less than the one before and 1 at most.

    None stays None, and counts among the m.
    """
    m, floor = len(p_values), 0.0
    corrected: list[float | None] = [None] * m
    known = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    for smaller, (p, position) in enumerate(known):
        floor = max(floor, min(1.0, (m - smaller) * p))
        corrected[position] = floor
    return corrected


def detectable(seeds: int, strategies: int) -> float | None:
    """The smallest true difference that is established in 80% of experiments, in standard deviations of the paired
    differences; None where nothing can be.

    It is the d with P(T > t₁₋ₐ(n − 1)) = 0.8 for T of the noncentral t distribution with n − 1 degrees of freedom and
    noncentrality d √n, and a = 0.05 / 2 / m: the first and strictest step of Holm's correction over m pairs.
    """
    from scipy.special import nctdtrinc, stdtrit

    pairs = strategies * (strategies - 1) // 2
    if seeds < 2 or not pairs:
        return None
    critical = stdtrit(seeds - 1, 1 - SIGNIFICANCE / 2 / pairs)
    return float(nctdtrinc(seeds - 1, 1 - POWER, critical)) / sqrt(seeds)
