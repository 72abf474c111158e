"""How many steps of a run were clipped, and how much of their gradients that left.

Clipping scales the gradient g of all loss terms together to min(1, limit/‖g‖) of its length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Clipping:
    """The clipping of some steps."""

    limit: float
    steps: int
    clipped: int
    kept: float
    """Σ min(1, limit/‖g‖) over the steps."""

    @property
    def share(self) -> float:
        """The share of the steps that were clipped."""
        return self.clipped / self.steps

    @property
    def kept_share(self) -> float:
        """The share of their gradients that clipping left, mean over all steps."""
        return self.kept / self.steps

    def __add__(self, other: "Clipping") -> "Clipping":
        return Clipping(self.limit, self.steps + other.steps, self.clipped + other.clipped, self.kept + other.kept)

    @staticmethod
    def of(norms: Sequence[float], limit: float) -> "Clipping":
        """The clipping of steps whose gradients had these norms, all of them finite."""
        kept = sum(min(1.0, limit / norm) if norm else 1.0 for norm in norms)
        return Clipping(limit, len(norms), sum(norm > limit for norm in norms), kept)


def clipping_by_stage(
    counts: pd.DataFrame, limit: float, before: Mapping[int, Clipping] | None = None
) -> dict[int, Clipping]:
    """The clipping of each stage of one run, from its rows of `Store.clipped_steps`; `before` is that of its earlier
    steps, where the rows are of the later ones alone."""
    found = dict(before or {})
    for stage, *sums in counts[["stage", "steps", "clipped", "kept"]].itertuples(index=False, name=None):
        part = Clipping(limit, *sums)
        found[stage] = found[stage] + part if stage in found else part
    return found


def whole(stages: Mapping[int, Clipping]) -> Clipping | None:
    """The clipping of a run; None before its first step."""
    return reduce(add, stages.values()) if stages else None


def clipping_data(counts: pd.DataFrame, limit: float | None) -> dict[str, Any] | None:
    """The clipping of one run as `results.json` holds it; None where nothing is clipped by setting, and before the
    first step."""
    stages = {} if limit is None else clipping_by_stage(counts, limit)
    found = whole(stages)
    if found is None:
        return None
    each = [{"stage": stage, **_shares(part)} for stage, part in sorted(stages.items())]
    return {"limit": found.limit, **_shares(found), "stages": each}


def _shares(part: Clipping) -> dict[str, float]:
    return {"clipped_share": part.share, "kept_share": part.kept_share}
