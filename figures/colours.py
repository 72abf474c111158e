"""The product's colours: one set, in figures as in controls (`.streamlit/config.toml` repeats them).

They keep a contrast of 2.8:1 on the light page and on the dark one and stay apart under the three forms of colour
blindness (tests/figures/test_theme.py computes both). No more than eight colours do that: among more strategies or
tasks than that colours return, and markers and dashes alone tell apart what shares one. Settings of one strategy are
shades of its colour.
"""

import colorsys
from collections.abc import Sequence
from functools import cache

PALETTE = ("#3073e1", "#dc740c", "#18a65f", "#993a8d", "#cc79a3", "#9d4916", "#7428f4", "#296c53")
GREY = "#808790"
# Orange for worse, blue for better: the one pair of hues that every common colour blindness keeps apart.
DIVERGING = (
    (0.0, "#a84300"),
    (0.25, "#ef9a4d"),
    (0.5, "#dad6cc"),  # no brighter than the words of a dark page
    (0.75, "#74a9e6"),
    (1.0, "#1b4fa8"),
)
_DARKEST, _LIGHTEST = 40.5, 63.0
"""The lightness L* (0 to 100) of what stands out on both pages."""
_SPAN = 16.0
"""The lightness from the first to the last of a colour's shades: wider, and shades of one colour look like another."""


@cache
def shades(color: str, number: int) -> tuple[str, ...]:
    """So many shades of a colour, dark ones first, evenly spaced in lightness; one is the colour itself."""
    if number == 1:
        return (color,)
    middle = _lightness(luminance(channels(color)))
    first = min(max(middle - _SPAN / 2, _DARKEST), _LIGHTEST - _SPAN)
    return tuple(_with_lightness(color, first + _SPAN * i / (number - 1)) for i in range(number))


def ink_on(gain: float) -> str:
    """Black or white, whichever reads better on the diverging scale at `gain` from -1 (worse) to 1 (better)."""
    place = min(1.0, max(0.0, (gain + 1) / 2)) if gain == gain else 0.5
    upper = next(i for i, (at, _) in enumerate(DIVERGING) if place <= at)
    (start, low), (end, high) = DIVERGING[max(0, upper - 1)], DIVERGING[upper]
    share = (place - start) / (end - start) if end > start else 1.0
    mixed = [a + (b - a) * share for a, b in zip(channels(low), channels(high), strict=True)]
    return "#000000" if luminance(mixed) > 0.179 else "#ffffff"


def luminance(channels: Sequence[float]) -> float:
    """Relative luminance (0 to 1, WCAG 2) of red, green and blue given from 0 to 255."""
    linear = [c / 255 / 12.92 if c <= 10.3 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def channels(color: str) -> list[int]:
    """Red, green and blue, from 0 to 255, of "#rrggbb"."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def _lightness(y: float) -> float:
    """CIE L* of a relative luminance; all shades are light enough for its cubic part."""
    return 116 * y ** (1 / 3) - 16


def _with_lightness(color: str, lightness: float) -> str:
    """The colour of the same hue and saturation with another L*, found by halving."""
    hue, _, saturation = colorsys.rgb_to_hls(*(c / 255 for c in channels(color)))
    low, high = 0.0, 1.0
    for _ in range(16):
        middle = (low + high) / 2
        mixed = [255 * c for c in colorsys.hls_to_rgb(hue, middle, saturation)]
        low, high = (middle, high) if _lightness(luminance(mixed)) < lightness else (low, middle)
    return "#" + "".join(f"{round(255 * c):02x}" for c in colorsys.hls_to_rgb(hue, high, saturation))
