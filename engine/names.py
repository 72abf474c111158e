"""What users typed or files hold, made fit for one line: to be a name, or to be quoted in a message."""

import re
import reprlib
from typing import Any

# Control characters, halves of characters, and marks that change the order in which other characters are shown.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_LONGEST_QUOTE = 100

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = _LONGEST_QUOTE
_repr.maxlevel, _repr.maxlist, _repr.maxtuple, _repr.maxdict, _repr.maxset = 2, 3, 3, 3, 3


def clean_name(text: str) -> str:
    """`text` on one line, of characters that can be seen and that stand where they were typed."""
    return " ".join(_INVISIBLE.sub("", _UNSAFE.sub("", " ".join(text.split()))).split())


def visible(text: str) -> str:
    """`text` with a replacement character for each that could change how a terminal or a page shows the others."""
    return _UNSAFE.sub("\ufffd", text)


def shortened(text: str, length: int = _LONGEST_QUOTE) -> str:
    """`text` with an ellipsis in its middle where it is longer."""
    half = length // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def quoted(value: Any) -> str:
    """`value` as Python writes it, cut short at every level: what refers to itself many times has no end."""
    try:
        return _repr.repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a number of too many digits"


def listed(names: list[str], most: int = 20) -> str:
    """Names with commas between them, the first `most` of them."""
    shown = ", ".join(shortened(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
