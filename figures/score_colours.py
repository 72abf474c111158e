"""The colours of scores: a scale that is fixed before the first score, so that no cell changes its hue when another one
comes, and equal hues mean equal changes in all runs and experiments.

The colour of a cell is its change against the base model, row 0 of its own column: for losses the share of that loss
(bits per byte and the logarithm of perplexity change by the same share), for shares such as accuracy the points. The
scale ends at 100% and 100 points, which are the most that can be gained. Colours go by the square root of the
change, so that a change of 1% or of one point can still be seen.
"""

import numpy as np
import numpy.typing as npt

from figures.colours import DIVERGING
from figures.theme import ScoreStyle

Grid = npt.NDArray[np.float64]
TICKS = (4, 25, 100)
"""Percent or points that the key names on both of its sides."""


def colour_places(grid: Grid, style: ScoreStyle) -> Grid:
    """The places of scores [stage, task] on the colour scale, from -1 (worse) by 0 (like the base model, row 0) to 1
    (better); NaN where there is no score or the base model has none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log(grid) if style.name == "perplexity" else grid
        change = values - values[0]
        share = change if style.is_share else change / np.abs(values[0])
    gain = -share if style.lower_is_better else share
    gain = np.where(change == 0, 0.0, gain)  # a loss of zero has no share
    places: Grid = np.clip(np.sign(gain) * np.sqrt(np.abs(gain)), -1.0, 1.0)
    return places


def colour_key(style: ScoreStyle) -> dict[str, object]:
    """The `colorbar` of a heatmap whose values are `colour_places`, as a narrow strip below it."""
    unit = "" if style.is_share else "%"
    numbers = [*(-number for number in reversed(TICKS)), 0, *TICKS]
    texts = [f"{abs(number)}{unit}" if number else "0" for number in numbers]
    texts[0], texts[-1] = f"{texts[0]}<br>worse", f"{texts[-1]}<br>better"
    of = "points" if style.is_share else f"% of its {'log ' * (style.name == 'perplexity')}{_NAMES[style.name]}"
    return {
        "orientation": "h", "thickness": 10, "len": 1.0, "x": 0.5, "xanchor": "center", "y": -0.03, "yanchor": "top",
        "outlinewidth": 0, "ticks": "", "tickangle": 0, "ticktext": texts, "tickfont": {"size": 10.5},
        "tickvals": [np.sign(number) * np.sqrt(abs(number) / 100) for number in numbers],
        "title": {"text": f"change from the base model, {of}", "side": "bottom", "font": {"size": 11}},
    }  # fmt: skip


_NAMES = {"nats_per_token": "loss", "perplexity": "perplexity", "bits_per_byte": "bits per byte"}
COLOUR_SCALE = [list(stop) for stop in DIVERGING]
