"""The points that have come since a chart of losses was drawn: it grows by them, and is not drawn for each."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from figures.curves import is_pull, points_of, smoothing_window
from figures.lines import Line, smoothed

_LEAST, _MOST, _SHARE = 40, 400, 0.25
Tail = dict[str, dict[str, Any]]
"""By the uid of a trace: `x` and `y` as Plotly's typed arrays, to be put after the trace's own."""


def longest_tail(drawn_to: int) -> int:
    """The steps that a chart which was drawn at step `drawn_to` may grow by: a quarter, 40 at least and 400 at most."""
    return int(min(_MOST, max(_LEAST, _SHARE * drawn_to)))


def loss_tail(losses: Mapping[str, Line], drawn_to: int) -> Tail:
    """What `losses` add, after step `drawn_to`, to the training traces of the `loss_figure` that was drawn at that
    step. Averages are over as many steps as there, and begin with those that it has."""
    window, tail = smoothing_window(drawn_to), {}
    for term, line in losses.items():
        begin = int(np.searchsorted(line.steps, drawn_to, side="right"))
        if begin == len(line):
            continue
        later = line.after(drawn_to)
        if window > 1 and not is_pull(term):
            tail[f"{term}-raw"] = _typed(later, later.values)
            before = max(0, begin - window + 1)
            reaching = Line(line.stages[before:], line.steps[before:], line.values[before:])
            tail[term] = _typed(later, smoothed(reaching, window)[begin - before :])
        else:
            tail[term] = _typed(later, later.values)
    return tail


def _typed(line: Line, values: Any) -> dict[str, Any]:
    return {
        axis: {"dtype": kind, "bdata": base64.b64encode(numbers.tobytes()).decode()}
        for (axis, numbers), kind in zip(points_of(line.steps, values).items(), ("i4", "f4"), strict=True)
    }
