"""The rows against peers as a drawing: how many times as fast, from slowest to fastest round."""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.table import Row

_WIDTH, _LEFT, _RIGHT, _LINE, _HEAD = 860, 360, 40, 24, 34
INK = "#1f2937"
"""The colour of texts."""
_GREY, _BAR = "#9ca3af", "#2563eb"


def as_svg(rows: Sequence[Row]) -> str:
    """SVG text of the rows that compare with a peer, on a logarithmic axis; 1 is as fast as the peer."""
    shown = [each for each in rows if "against" in each.what and each.unit == "tokens/s"]
    low = min([0.5, *(each.lowest_ratio for each in shown)])
    high = max([2.0, *(each.highest_ratio for each in shown)]) * 1.15

    def x(ratio: float) -> float:
        share = (math.log(ratio) - math.log(low)) / (math.log(high) - math.log(low))
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    parts: list[str] = []
    top, section = _HEAD, ""
    for each in shown:
        if each.section != section:
            section = each.section
            parts.append(text_at(12, top + 15, section, weight="600"))
            top += _LINE
        middle = top + _LINE / 2 - 2
        parts.append(text_at(24, middle + 4, each.what))
        start, end = sorted((x(1), x(each.ratio)))
        parts.append(
            f'<rect x="{start:.1f}" y="{middle - 7:.1f}" width="{end - start:.1f}" height="14" fill="{_BAR}"/>'
        )
        parts.append(line_at(x(each.lowest_ratio), middle, x(each.highest_ratio), middle, INK))
        parts.append(text_at(x(max(each.ratio, each.highest_ratio, 1)) + 6, middle + 4, f"{each.ratio:.2f}×"))
        top += _LINE
    axis = [line_at(x(1), _HEAD - 6, x(1), top, _GREY), text_at(x(1) - 30, _HEAD - 12, "as fast as it")]
    return page(_WIDTH, top + 12, [*axis, *parts])


def page(width: int, height: int, parts: Sequence[str]) -> str:
    """SVG text of a white page with these parts."""
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])


def text_at(
    x: float, y: float, text: str, weight: str = "400", anchor: str = "start", colour: str = INK, upwards: bool = False
) -> str:
    """A line of text; `anchor` says which part of it stands at x: start, middle or end. It may run upwards."""
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upwards else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turned}'
    return f'<text {place} fill="{colour}" font-weight="{weight}">{escape(text)}</text>'


def line_at(x: float, y: float, to_x: float, to_y: float, colour: str, width: float = 1.5) -> str:
    """A straight line."""
    ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width:g}"/>'
