"""Tables of runs share this: a column of names that wraps, where it would be cut or fill a phone."""

from collections.abc import Iterable

_NARROWEST, _WIDEST = 90, 196
"""A pinned column stays in place on a phone only up to 60% of the table's width."""
_PADDING, _LETTER, _LINE, _ONE_LINE = 16, 6.2, 17, 35
_WRAPS_FROM = 65
"""Streamlit breaks text into lines only in rows of more than 64 pixels."""


def name_width(names: Iterable[str]) -> int:
    """Pixels of a column that shows `names` whole, where necessary in several lines."""
    return min(_WIDEST, max(_NARROWEST, _PADDING + round(_LETTER * max(map(len, names), default=0)) + 6))


def row_height(names: Iterable[str], width: int = _WIDEST) -> int:
    """Pixels of a row in which the longest of `names` fits a column of `width` pixels, in up to four lines."""
    lines = -(-max(map(len, names), default=1) * _LETTER // (width - _PADDING))
    return _ONE_LINE if lines == 1 else max(_WRAPS_FROM, 18 + _LINE * int(min(4, lines)))
