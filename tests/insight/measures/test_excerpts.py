"""The stretch of a document that is shown is the one where most was lost."""

from hypothesis import given
from hypothesis import strategies as st

from engine.insight.measures.excerpts import worst_stretch
from engine.insight.measures.passages import Piece


def piece(text: str, change: float, is_target: bool = True) -> Piece:
    return Piece(text, is_target, change, 0.5, 0.5, "")


PIECES = st.lists(
    st.builds(
        piece,
        st.text("ab", min_size=1, max_size=4),
        st.integers(-8, 8).map(lambda n: n / 4),  # sums without rounding
        st.booleans(),
    ),
    max_size=12,
)


@given(PIECES, st.integers(1, 15))
def test_no_other_stretch_that_is_as_long_as_can_be_lost_more(pieces: list[Piece], characters: int) -> None:
    def lost(start: int, end: int) -> float:
        return -sum(each.change for each in pieces[start:end] if each.is_target)

    def longest(start: int) -> int:
        end = start + 1
        while end < len(pieces) and sum(len(each.text) for each in pieces[start : end + 1]) <= characters:
            end += 1
        return end

    start, end = worst_stretch(pieces, characters)
    if not pieces:
        assert (start, end) == (0, 0)
        return
    assert end == longest(start)
    assert end - start == 1 or sum(len(each.text) for each in pieces[start:end]) <= characters
    whole = [(at, longest(at)) for at in range(len(pieces))]
    until_end = next(at for at, last in whole if last == len(pieces))  # later ones are parts of it
    candidates = whole[: until_end + 1]
    best = max(lost(*each) for each in candidates)
    assert (start, end) == next(each for each in candidates if lost(*each) == best)


def test_a_short_document_is_shown_whole_and_what_is_only_read_counts_nothing() -> None:
    pieces = [piece("prompt ", -9.0, is_target=False), piece("a", 1.0), piece("b", -2.0)]
    assert worst_stretch(pieces, 100) == (0, 3)
    assert worst_stretch(pieces, 2) == (1, 3)


def test_the_stretch_that_lost_most_by_hand() -> None:
    changes = [(-1.0, True), (-9.0, False), (0.5, True), (-3.0, True), (-2.0, True), (4.0, True)]
    pieces = [piece("ab", change, is_target) for change, is_target in changes]
    assert worst_stretch(pieces, 4) == (3, 5)
    assert worst_stretch(pieces, 5) == (3, 5)  # a third would be six characters
    assert worst_stretch(pieces, 6) == (2, 5)  # −0.5 + 3 + 2, before 1 + 0 − 0.5 and 0 − 0.5 + 3
