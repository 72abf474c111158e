"""Names of points overlap at no width of the figure."""

import random
from itertools import combinations

import pytest

from figures.labels import LINE, Place, Point, Room, overlap, place_labels, text_width

ROOM = Room(370, 270, 1300)


def crowd(number: int, seed: int) -> list[Point]:
    """Points in a heap, in a row, or anywhere, with names of any length."""
    draw = random.Random(seed)
    spread = draw.choice([0.0, 0.02, 0.2, 1.0])
    across, up = draw.random() * (1 - spread), draw.random() * (1 - spread)
    return [
        Point(
            across + spread * draw.random(), ROOM.height * (up + spread * draw.random()),
            text_width("x" * draw.randint(3, 26)),
        )
        for _ in range(number)
    ]  # fmt: skip


def boxes_at(points: list[Point], places: list[Place | None], width: float) -> list[tuple[float, float, float, float]]:
    """Left, right, low and high of each label in a figure of that width, by hand."""
    return [
        (left, left + point.width, point.up + place.up, point.up + place.up + LINE)
        for point, place in zip(points, places, strict=True)
        if place is not None
        for left in (point.across * width + place.right,)
    ]


@pytest.mark.parametrize("seed", range(120))
def test_no_two_of_up_to_twelve_labels_overlap_at_any_width_and_none_is_left_out(seed: int) -> None:
    points = crowd(1 + seed % 12, seed)
    places = place_labels(points, ROOM)
    assert None not in places
    for width in (270, 300, 411.5, 640, 1300):
        for one, other in combinations(boxes_at(points, places, width), 2):
            meet = one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
            assert not meet, (width, one, other)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_points_have_the_same_places(seed: int) -> None:
    points = crowd(12, seed)
    assert place_labels(points, ROOM) == place_labels(list(points), ROOM)


def test_a_point_by_itself_has_its_name_beside_it_towards_the_middle() -> None:
    width = text_width("naive")
    left, right = place_labels([Point(0.1, 50, width), Point(0.9, 300, width)], ROOM)
    assert left == Place(9, -LINE / 2)
    assert right == Place(-9 - width, -LINE / 2)


def test_names_keep_clear_of_points_too() -> None:
    named, unnamed = Point(0.2, 100, text_width("replay")), Point(0.3, 100, 0.0)
    place, nothing = place_labels([named, unnamed], ROOM)
    assert nothing is None
    assert place is not None
    (label,) = boxes_at([named], [place], 270)
    assert not (label[0] < 0.3 * 270 < label[1] and label[2] < 100 < label[3])


def test_more_labels_than_rows_leave_some_out_and_none_over_another() -> None:
    points = [Point(0.5, 185, text_width("x" * 26))] * 40
    places = place_labels(points, ROOM)
    assert sum(place is not None for place in places) == ROOM.height // LINE
    placed = [(point, place) for point, place in zip(points, places, strict=True) if place is not None]
    assert not any(overlap(*one, *other, ROOM) for one, other in combinations(placed, 2))


def test_boxes_that_pass_each_other_as_the_figure_widens_count_as_overlapping() -> None:
    # at 270 pixels the first begins at 110 and the second ends at 84; at 1300 they have changed sides
    first, second = Point(0.0, 100, 40), Point(0.2, 100, 40)
    assert overlap(first, Place(110, 0), second, Place(-10, 0), ROOM)
    assert not overlap(first, Place(0, 0), second, Place(0, 0), ROOM)
    assert not overlap(first, Place(110, 0), second, Place(-10, LINE), ROOM)


def test_wide_letters_take_more_room() -> None:
    assert text_width("厨房") > text_width("ab")
