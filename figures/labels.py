"""Places for the names of points in a figure, so that no two of them overlap, however wide the figure is drawn.

A figure is drawn as wide as its page allows, while its height is given. A box that hangs on a point at the share s of
the width w has its left edge at s · w + dx, which is linear in w: two boxes that are apart side by side, in the same
order, at the narrowest and at the widest are apart at every width between, and two that lie one above the other are
apart at all widths.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LINE = 16.0
"""The height of a label in pixels."""
_LETTER, _WIDE_LETTER, _PADDING = 7.0, 13.0, 6.0
_GAP = 9.0
"""Between the middle of a point and its label."""
_STEPS = (0.0, 14.0, 28.0, 46.0, 68.0)
"""How much further than `_GAP` a label may move away to be free."""


@dataclass(frozen=True)
class Point:
    """A point with its name."""

    across: float
    """From the left edge, as a share of the width: 0 to 1."""
    up: float
    """From the lower edge, in pixels."""
    width: float
    """Pixels that the name takes; 0 for a point without one, which names keep clear of all the same."""


@dataclass(frozen=True)
class Place:
    """The place of a label's lower left corner, in pixels from its point."""

    right: float
    up: float


@dataclass(frozen=True)
class Room:
    """The area that labels are placed in, in pixels: its height, and between which widths it is drawn."""

    height: float
    narrowest: float
    widest: float


def text_width(text: str) -> float:
    """The pixels that `text` takes at most, of 12 pixels' type."""
    return _PADDING + sum(_WIDE_LETTER if unicodedata.east_asian_width(letter) in "WF" else _LETTER for letter in text)


def place_labels(points: Sequence[Point], room: Room) -> list[Place | None]:
    """A place for the label of each point, in their order; None for points without a name.

    No two labels overlap at any width of the room. As near to its point as it can be, a label keeps clear of all points
    too. Where that leaves no place for one, all stand in rows, each in the free one nearest to its point, joined to it
    by whoever draws them. None as well for a label that is left without a row.
    """
    near = _near(points, room)
    if all((place is not None) == (point.width > 0) for place, point in zip(near, points, strict=True)):
        return near
    return _in_rows(points, room)


def overlap(one: Point, at: Place, other: Point, there: Place, room: Room) -> bool:
    """Whether two labels share any of their area at any width of the room."""
    if one.up + at.up + LINE <= other.up + there.up or other.up + there.up + LINE <= one.up + at.up:
        return False
    widths = (room.narrowest, room.widest)
    is_left = all(one.across * w + at.right + one.width <= other.across * w + there.right for w in widths)
    is_right = all(other.across * w + there.right + other.width <= one.across * w + at.right for w in widths)
    return not (is_left or is_right)


def _near(points: Sequence[Point], room: Room) -> list[Place | None]:
    """Places beside the points, the most crowded first; None where there is none."""
    found: list[Place | None] = [None] * len(points)
    for i in sorted(range(len(points)), key=lambda i: (-_neighbours(points, i, room), i)):
        if not points[i].width:
            continue
        for place in _candidates(points[i], room):
            if not _is_inside(points[i], place, room) or _hides_a_point(points, i, place, room):
                continue
            taken = ((points[j], found[j]) for j in range(len(points)))
            if not any(there and overlap(points[i], place, point, there, room) for point, there in taken):
                found[i] = place
                break
    return found


def _candidates(point: Point, room: Room) -> Iterator[Place]:
    """Places around a point, the nearest first: towards the middle, then the other side, above and below."""
    for step in _STEPS:
        far = _GAP + step
        sides = (far, -far - point.width) if point.across <= 0.5 else (-far - point.width, far)
        for lift in (-LINE / 2, step, -LINE - step, step / 2, -LINE - step / 2):
            yield from (Place(side, lift) for side in sides)
        for lift in (far, -far - LINE):
            yield Place(-point.width / 2, lift)
    for lift in range(0, int(room.height), int(LINE)):  # beside its point at any height
        for side in (_GAP, -_GAP - point.width):
            yield Place(side, lift - point.up)


def _is_inside(point: Point, place: Place, room: Room) -> bool:
    lefts = [point.across * width + place.right for width in (room.narrowest, room.widest)]
    is_beside = min(lefts) >= 0 and all(
        left + point.width <= width for left, width in zip(lefts, (room.narrowest, room.widest), strict=True)
    )
    return is_beside and point.up + place.up >= 0 and point.up + place.up + LINE <= room.height


def _hides_a_point(points: Sequence[Point], i: int, place: Place, room: Room) -> bool:
    around = Place(-_GAP + 2, -LINE / 2)
    return any(overlap(points[i], place, Point(other.across, other.up, 2 * _GAP - 4), around, room) for other in points)


def _neighbours(points: Sequence[Point], i: int, room: Room) -> int:
    """The number of points that are near enough for their labels to meet."""
    own = points[i]
    return sum(
        abs(other.up - own.up) < 3 * LINE and abs(other.across - own.across) * room.narrowest < own.width
        for other in points
    )


def _in_rows(points: Sequence[Point], room: Room) -> list[Place | None]:
    """A row of its own for each label, the nearest that is free; those of the lowest points choose first."""
    rows = set(range(int(room.height // LINE)))
    found: list[Place | None] = [None] * len(points)
    for i in sorted(range(len(points)), key=lambda i: (points[i].up, i)):
        point = points[i]
        if not point.width or not rows:
            continue
        row = min(rows, key=lambda row: (abs(row * LINE + LINE / 2 - point.up), row))
        rows.remove(row)
        side = _GAP if point.across <= 0.5 else -_GAP - point.width
        found[i] = Place(side, row * LINE - point.up)
    return found
