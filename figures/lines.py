"""Series over steps as a chart can show them: averaged, and thinned without losing an end or a spike."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from tsdownsample import M4Downsampler

MAX_POINTS = 1500
"""Most points that one trace carries: four in each of as many stretches as a curve has columns of three pixels."""
MAX_SMOOTH_POINTS = 600
"""The same of an average, which has no spikes."""

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Line:
    """One term of the loss over a run's steps, in their order."""

    stages: Steps
    steps: Steps
    values: Array

    def __len__(self) -> int:
        return len(self.steps)

    def followed_by(self, later: "Line") -> "Line":
        """This line with later steps after its own."""
        return Line(
            np.concatenate([self.stages, later.stages]),
            np.concatenate([self.steps, later.steps]),
            np.concatenate([self.values, later.values]),
        )

    def after(self, step: int) -> "Line":
        """The part of the line after that step."""
        begin = int(np.searchsorted(self.steps, step, side="right"))
        return Line(self.stages[begin:], self.steps[begin:], self.values[begin:])


NO_LINE = Line(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def lines_of(losses: pd.DataFrame) -> dict[str, Line]:
    """The lines of one run by term, from the store's long frame of losses."""
    ordered = losses.sort_values("step", kind="stable")
    return {
        str(term): Line(
            part["stage"].to_numpy(np.int64), part["step"].to_numpy(np.int64), part["nats_per_token"].to_numpy(float)
        )
        for term, part in ordered.groupby("term")
    }


def last_step(lines: Mapping[str, Line]) -> int:
    """The newest step of all; 0 before the first."""
    return max((int(line.steps[-1]) for line in lines.values() if len(line)), default=0)


def smoothed(line: Line, window: int) -> Array:
    """The mean of each step and up to `window` - 1 before it in the same stage; gaps are left out of it."""
    means = np.empty(len(line))
    for part in np.split(np.arange(len(line)), np.flatnonzero(np.diff(line.stages)) + 1):
        values = line.values[part]
        known = ~np.isnan(values)
        # sums of their own for every step: a running one would carry the rounding of a huge loss into all that follow
        sums = np.convolve(np.where(known, values, 0.0), np.ones(window))[: len(part)]
        counts = np.rint(np.convolve(known, np.ones(window))[: len(part)])
        means[part] = np.divide(sums, counts, out=np.full(len(part), np.nan), where=counts > 0)
    return means


def thin(x: Steps, y: Array, limit: int = MAX_POINTS) -> tuple[Steps, Array]:
    """Keep at most `limit` of the points, which are in order: first, lowest, highest and last of every stretch (M4)."""
    if len(x) <= limit:
        return x, y
    kept = M4Downsampler().downsample(np.ascontiguousarray(y), n_out=(limit - 1) // 4 * 4)
    chosen = np.union1d(kept.astype(np.int64), len(x) - 1)  # its last stretch may end one point early, by rounding
    return x[chosen], y[chosen]
