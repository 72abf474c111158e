"""Text that users typed, made safe to print; numbers are written by `figures.numbers`."""

import re
import string

from engine.common.quoting import visible
from figures.numbers import bytes_size as bytes_size
from figures.numbers import count as count
from figures.numbers import duration as duration
from figures.numbers import plural as plural

_MARKDOWN = str.maketrans({character: "\\" + character for character in string.punctuation})
# Emoji, links, addresses and arrows are put in after escapes are read: their characters must be kept apart.
_READ_LATER = re.compile(r":(?=//|[\w+/-]+:)|www(?=\.)|@|[-<>~](?=[-=>])", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\u00a0\u202f]+")  # those that may break a line
_WORD_JOINER = "\u2060"


def plain(text: str) -> str:
    """`text` as Markdown that prints exactly these characters: no links, colours, formulas, emoji or line breaks."""
    one_line = visible(_SPACES.sub(" ", text).strip())
    return _READ_LATER.sub(rf"\g<0>{_WORD_JOINER}", one_line).translate(_MARKDOWN)
