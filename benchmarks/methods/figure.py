"""The lines as a drawing: learning against keeping on half B, the cost as the size of a point."""

import math
from collections.abc import Iterator, Sequence

from benchmarks.figure import line_at, page, text_at
from benchmarks.methods.halves import REPORTED
from benchmarks.methods.lines import Line
from engine import strategies
from engine.common.numerals import written
from engine.strategies.base import Needs

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 860, 560, 70, 60, 150, 60
_GREY = "#d1d5db"
_COLOURS: dict[Needs, str] = {
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
        colour = _COLOURS[strategies.needs_of(line.strategy)[0]]
        parts.append(_disc(cx, cy, radius, colour))
    taken: list[Box] = [(cx - 0.8 * r, cy - 0.8 * r, cx + 0.8 * r, cy + 0.8 * r) for _, cx, cy, r in discs]
    for line, cx, cy, radius in discs:
        box = _free(line.name, cx, cy, radius, taken)
        taken.append(box)
        parts.append(text_at(box[0], box[3] - 3, line.name))
    return page(_WIDTH, _HEIGHT, parts)


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
            line_at(x.at(tick), top, x.at(tick), bottom, _GREY, 1),
            text_at(x.at(tick), bottom + 18, written(tick + 0.0, ".2f"), anchor="middle"),
        ]
    for tick in y.ticks():
        parts += [
            line_at(left, y.at(tick), right, y.at(tick), _GREY, 1),
            text_at(left - 8, y.at(tick) + 4, written(tick + 0.0, ".2f"), anchor="end"),
        ]
    below = "bits per byte after each task's own stage, half B (left: more learnt)"
    beside = "forgetting, bits per byte, half B (down: more kept)"
    parts.append(text_at((left + right) / 2, bottom + 42, below, anchor="middle"))
    parts.append(text_at(18, (top + bottom) / 2, beside, anchor="middle", upwards=True))
    return parts


def _legend() -> list[str]:
    parts, left = [], float(_LEFT)
    for needs, colour in _COLOURS.items():
        parts.append(_disc(left, 18, 6, colour))
        words = strategies.heading_of(needs)
        parts.append(text_at(left + 11, 22, words))
        left += 11 + _LETTER * len(words) + 24
    return [
        *parts,
        text_at(_LEFT - 6, 44, "The area of a disc grows with the tokens that are read forward and backward."),
    ]


def _disc(x: float, y: float, radius: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.55" stroke="{colour}"/>'
