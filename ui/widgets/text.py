"""Text that users typed, made safe to print, and numbers as people read them."""

import re
import string

from engine.common.quoting import visible

_MARKDOWN = str.maketrans({character: "\\" + character for character in string.punctuation})
# Emoji, links, addresses and arrows are put in after escapes are read: their characters must be kept apart.
_READ_LATER = re.compile(r":(?=//|[\w+/-]+:)|www(?=\.)|@|[-<>~](?=[-=>])", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\u00a0\u202f]+")  # those that may break a line
_WORD_JOINER = "\u2060"


def plain(text: str) -> str:
    """`text` as Markdown that prints exactly these characters: no links, colours, formulas, emoji or line breaks."""
    one_line = visible(_SPACES.sub(" ", text).strip())
    return _READ_LATER.sub(rf"\g<0>{_WORD_JOINER}", one_line).translate(_MARKDOWN)


def count(number: float) -> str:
    """A count with at most three significant digits: 950, 12.3 k, 4.1 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g}\u202f{unit}"
    return f"{number:.3g}" if number % 1 else f"{number:.0f}"


def bytes_size(number: float) -> str:
    """Bytes as kB, MB or GB (powers of ten)."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:.3g}\u202f{unit}"
    return f"{number:.0f}\u202fbytes"


def duration(seconds: float) -> str:
    """A time span in its two largest units: 8 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    whole = max(0, round(seconds))
    for size, unit, small, small_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size}\u202f{unit} {rest}\u202f{small_unit}" if rest else f"{whole // size}\u202f{unit}"
    return f"{whole}\u202fs"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 run`, `3 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
