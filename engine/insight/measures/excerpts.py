"""Which part of a long document is shown: the stretch where most was lost."""

from collections.abc import Sequence

from engine.insight.measures.passages import Piece


def worst_stretch(pieces: Sequence[Piece], characters: int) -> tuple[int, int]:
    """The stretch [start, end) of at most so many `characters`, and as long as can be, over which the later model lost
    most: the largest Σ −change over its target pieces; the first where several are equal. A piece that is longer by
    itself is a stretch."""
    if not pieces:
        return 0, 0
    best, found = -float("inf"), (0, 0)
    end, length, lost = 0, 0, 0.0
    for start, first in enumerate(pieces):
        if end <= start:
            end, length, lost = start + 1, len(first.text), _lost(first)
        while end < len(pieces) and length + len(pieces[end].text) <= characters:
            length, lost = length + len(pieces[end].text), lost + _lost(pieces[end])
            end += 1
        if lost > best:
            best, found = lost, (start, end)
        if end == len(pieces):
            break
        length, lost = length - len(first.text), lost - _lost(first)
    return found


def _lost(piece: Piece) -> float:
    return -piece.change if piece.is_target else 0.0
