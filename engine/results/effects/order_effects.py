"""The effect of the order of the tasks, told apart from the strategies': a two-way table with its sums of squares.

Every strategy i = 1 … a is trained in every order j = 1 … b with every seed k = 1 … n, so that the design is crossed
and balanced. For the summary y of a run, with a dot for the mean over an index, the sum of squares about the mean of
all runs falls into four parts (Scheffé 1959, The Analysis of Variance, chapter 4, the two-way layout with n
observations a cell):

    Σ (y_ijk − y_...)² = bn Σ_i (y_i.. − y_...)²                          strategy
                       + an Σ_j (y_.j. − y_...)²                          order
                       + n Σ_ij (y_ij. − y_i.. − y_.j. + y_...)²          strategies that differ from order to order
                       + Σ_ijk (y_ijk − y_ij.)²                           seeds

The parts add up whatever the scores are; they describe the runs that were made, and are no test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.results.comparison import trains_on_all
from engine.results.verdict import common_seeds

Array = NDArray[np.float64]
Order = tuple[str, ...]
_ROUNDING = 1e-18
"""A sum of squares below this share of the scores' own is rounding."""


@dataclass(frozen=True)
class Parts:
    """The sums of squares."""

    strategy: float
    order: float
    both: float
    """What strategies do in one order beyond what they and the order do on the whole."""
    seeds: float

    @property
    def shares(self) -> dict[str, float] | None:
        """Each part's share of the whole, by name; None where all runs score the same."""
        whole = self.strategy + self.order + self.both + self.seeds
        parts = {"strategy": self.strategy, "order": self.order, "both": self.both, "seeds": self.seeds}
        return {name: part / whole for name, part in parts.items()} if whole else None


@dataclass(frozen=True)
class OrderEffects:
    """A measure of runs by strategy and order, over the seeds that all of them have finished."""

    strategies: tuple[str, ...]
    """Configurations. What trains on all tasks is left out, as it is no rival."""
    orders: tuple[Order, ...]
    seeds: tuple[int, ...]
    means: Array
    """Means over the seeds, strategies × orders."""
    parts: Parts

    @property
    def of_strategies(self) -> list[tuple[float, float]]:
        """Each strategy's mean over the orders, and the standard deviation of its means from order to order."""
        return [(float(row.mean()), float(row.std(ddof=1))) for row in self.means]

    @property
    def of_orders(self) -> list[tuple[float, float | None]]:
        """Each order's mean over the strategies, and the standard deviation of theirs in it; None for one strategy."""
        several = len(self.strategies) > 1
        return [(float(column.mean()), float(column.std(ddof=1)) if several else None) for column in self.means.T]


def sums_of_squares(values: Array) -> Parts:
    """The parts of the scores of strategies × orders × seeds. Scores must be finite."""
    strategies, orders, seeds = values.shape
    whole, cells = values.mean(), values.mean(axis=2)
    of_strategy, of_order = cells.mean(axis=1), cells.mean(axis=0)
    both = cells - of_strategy[:, None] - of_order[None, :] + whole
    floor = _ROUNDING * values.size * float(np.abs(values).max(initial=0.0)) ** 2
    found = (
        orders * seeds * ((of_strategy - whole) ** 2).sum(),
        strategies * seeds * ((of_order - whole) ** 2).sum(),
        seeds * (both**2).sum(),
        ((values - cells[:, :, None]) ** 2).sum(),
    )
    return Parts(*(float(part) if part > floor else 0.0 for part in found))


def order_effects(rows: pd.DataFrame, measure: str) -> OrderEffects | None:
    """The effects on a measure of `rows` (a run frame), in the measure's own unit. None where the order does not vary,
    or no seed is finished by every strategy in two orders."""
    rivals = rows[~rows["strategy"].map(trains_on_all).astype(bool)]
    done = rivals[rivals["complete"].astype(bool) & np.isfinite(rivals[measure].astype(float))]
    draws = [draw for draw in common_seeds(done) if isinstance(draw, tuple)]
    by_order: dict[Order, set[int]] = {}
    for draw in done["draw"]:  # the orders as the experiment has them
        if draw in draws:
            by_order.setdefault(draw[0], set()).add(draw[1])
    seeds = tuple(sorted(set.intersection(*by_order.values()))) if by_order else ()
    if len(by_order) < 2 or not seeds:
        return None
    names = tuple(map(str, done["configuration"].unique()))
    found = {
        (str(name), draw): float(value)
        for name, draw, value in zip(done["configuration"], done["draw"], done[measure], strict=True)
    }
    values = _grid(found, names, tuple(by_order), seeds)
    return OrderEffects(names, tuple(by_order), seeds, values.mean(axis=2), sums_of_squares(values))


def _grid(
    found: Mapping[tuple[str, tuple[Order, int]], float],
    names: Sequence[str],
    orders: Sequence[Order],
    seeds: Sequence[int],
) -> Array:
    return np.array([[[found[name, (order, seed)] for seed in seeds] for order in orders] for name in names])
