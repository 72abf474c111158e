"""The lines as a drawing: learning against keeping on half B, the cost as the size of a point."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.methods.halves import REPORTED
from benchmarks.methods.lines import Line
from engine import strategies
from engine.common.numerals import written

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 560, 70, 60, 150, 60
_INK, _GREY = "#1f2937", "#d1d5db"
_COLOURS = {
    "nothing": "#6b7280", "old texts": "#2563eb", "a second copy of the weights": "#d97706", "fewer weights": "#059669",
}  # fmt: skip
_AREA = 0.0016
"""Square pixels a token of a point's disc, over π."""
_LETTER, _LINE = 6.3, 13
"""About the width and the height of a letter."""

Box = tuple[float, float, float, float]


def as_svg(found: Sequence[Line]) -> str:
    """SVG text. Right is little learnt and up is much forgotten, so that the lower left is best."""
    points = [
        (
            line,
            line.chosen.over_seeds("learning_accuracy", REPORTED).mean,
            line.chosen.over_seeds("forgetting", REPORTED).mean,
        )
        for line in found
    ]
    x = _Axis([x for _, x, _ in points], _LEFT, _WIDTH - _RIGHT)
    y = _Axis([y for _, _, y in points], _HEIGHT - _BOTTOM, _TOP)
    parts = [*_frame(x, y), *_legend()]
    discs = [(line, x.at(learnt), y.at(forgotten), _radius(line)) for line, learnt, forgotten in points]
    for line, cx, cy, radius in sorted(discs, key=lambda disc: -disc[3]):
        colour = _COLOURS[strategies.needs_of(line.strategy)]
        parts.append(_disc(cx, cy, radius, colour))
    taken: list[Box] = [(cx - 0.8 * r, cy - 0.8 * r, cx + 0.8 * r, cy + 0.8 * r) for _, cx, cy, r in discs]
    for line, cx, cy, radius in discs:
        box = _free(line.name, cx, cy, radius, taken)
        taken.append(box)
        parts.append(_text(box[0], box[3] - 3, line.name))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>', *parts, "</svg>", ""])


class _Axis:
    """Values between the lowest and the highest, with some room, to pixels."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        room = 0.08 * (max(values) - min(values)) or 0.1
        self.low, self.high, self._start, self._end = min(values) - room, max(values) + room, start, end

    def at(self, value: float) -> float:
        return self._start + (value - self.low) / (self.high - self.low) * (self._end - self._start)

    def ticks(self) -> Iterator[float]:
        """Four to ten round numbers."""
        step = 10 ** math.ceil(math.log10(self.high - self.low))
        step *= next(factor for factor in (0.2, 0.1, 0.05, 0.02) if (self.high - self.low) / (step * factor) >= 4)
        first = math.ceil(self.low / step)
        yield from (number * step for number in range(first, math.floor(self.high / step) + 1))


def _radius(line: Line) -> float:
    """Of a disc whose area grows with the tokens that are read forward and backward."""
    read = line.chosen.mean("tokens", "forward") + line.chosen.mean("tokens", "backward")
    return math.sqrt(_AREA * read)


def _free(name: str, cx: float, cy: float, radius: float, taken: Sequence[Box]) -> Box:
    """A place for a name beside its disc: of several the one that covers least of what is there."""
    width, away = _LETTER * len(name), radius + 3

    def covered(box: Box) -> float:
        outside = (max(0.0, box[2] - _WIDTH) + max(0.0, _LEFT - box[0])) * _LINE + max(0.0, _TOP - box[1]) * width
        return outside + sum(
            max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
            * max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
            for other in taken
        )

    places = []
    for down in (0, -14, 14, -28, 28, -42, 42):
        for left in (cx + away, cx - away - width, cx - width / 2):
            if left == cx - width / 2 and abs(down) < away:
                continue
            top = cy + down - _LINE / 2
            places.append((left, top, left + width, top + _LINE))
    return min(places, key=covered)


def _frame(x: _Axis, y: _Axis) -> list[str]:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    parts = []
    for tick in x.ticks():
        parts += [
            _line(x.at(tick), top, x.at(tick), bottom),
            _text(x.at(tick) - 12, bottom + 18, written(tick + 0.0, ".2f")),
        ]
    for tick in y.ticks():
        parts += [
            _line(left, y.at(tick), right, y.at(tick)),
            _text(left - 36, y.at(tick) + 4, written(tick + 0.0, ".2f")),
        ]
    words = "bits per byte after each task's own stage, half B (left: more learnt)"
    parts.append(_text((left + right) / 2 - 190, bottom + 42, words))
    side = f"rotate(-90 18 {(top + bottom) / 2:.0f})"
    parts.append(
        f'<text x="18" y="{(top + bottom) / 2:.0f}" transform="{side}" text-anchor="middle" fill="{_INK}">'
        "forgetting, bits per byte, half B (down: more kept)</text>"
    )
    return parts


def _legend() -> list[str]:
    parts, left = [], float(_LEFT)
    for needs, colour in _COLOURS.items():
        parts.append(_disc(left, 18, 6, colour))
        words = (
            f"needs {needs}{' more' if needs == 'nothing' else ''}"
            if needs != "fewer weights"
            else "trains fewer weights"
        )
        parts.append(_text(left + 11, 22, words))
        left += 11 + _LETTER * len(words) + 24
    return [
        *parts,
        _text(_LEFT - 6, 44, "The area of a disc grows with the tokens that are read forward and backward."),
    ]


def _disc(x: float, y: float, radius: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.55" stroke="{colour}"/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}">{escape(text)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{_GREY}"/>'
