"""Quantiles of Student's t, for intervals over seeds and over documents."""

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL_FROM = 1000
"""Degrees of freedom from which the normal distribution is as good."""


@lru_cache(maxsize=4096)
def quantile(share: float, freedom: int) -> float:
    """The t below which `share` (above a half) of the distribution with `freedom` degrees of freedom lies."""
    if freedom >= _NORMAL_FROM:
        return NormalDist().inv_cdf(share)
    low, high = 0.0, 1.0
    while _within(high, freedom) < 2 * share - 1:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 2 * share - 1 else (low, middle)
    return (low + high) / 2


def _within(t: float, freedom: int) -> float:
    """P(|T| ≤ t), the finite series of Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term, total = cosine if odd else 1.0, 0.0
    for power in range(1 + odd, freedom, 2):
        total += term
        term *= cosine**2 * power / (power + 1)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total
