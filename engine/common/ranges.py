"""Index arithmetic on many ranges at once, in numpy."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer]


def ranges(starts: Ints, counts: Ints) -> NDArray[np.int64]:
    """start, start+1, … of `counts` numbers each, one range after the other."""
    before = np.cumsum(counts, dtype=np.int64) - counts
    return np.repeat(starts - before, counts) + np.arange(int(np.sum(counts)), dtype=np.int64)


def sums(values: Ints, counts: Ints) -> NDArray[np.int64]:
    """The sum of each run of `counts` consecutive values; an empty run has 0."""
    ends = np.cumsum(counts, dtype=np.int64)
    total = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    found: NDArray[np.int64] = total[ends] - total[ends - counts]
    return found
