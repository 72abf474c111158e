"""Texts that users typed or files hold are made fit for one line here: to be a name, or to be quoted in a message."""

import re
import reprlib
import unicodedata
from typing import Any

# Control characters, halves of characters, and marks that change the order in which other characters are shown.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_NOT_IN_FILE_NAMES = re.compile(r'[<>:"/\\|?*]+')
_BETWEEN_WORDS = re.compile(r'(?<=[^\s<>:"/\\|?*])[<>:"/\\|?*]+(?=[^\s<>:"/\\|?*])')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)
_LONGEST_QUOTE = 100
_LONGEST_FILE_NAME = 150

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = _LONGEST_QUOTE
_repr.maxlevel, _repr.maxlist, _repr.maxtuple, _repr.maxdict, _repr.maxset = 2, 3, 3, 3, 3


def clean_name(text: str) -> str:
    """`text` on one line, of characters that can be seen and that stand where they were typed."""
    return " ".join(_INVISIBLE.sub("", _UNSAFE.sub("", " ".join(text.split()))).split())


def look_of(name: str) -> str:
    """Equal for names that nobody can tell apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def slug_of(name: str) -> str:
    """The words of a name in lower-case ASCII with hyphens between them, 40 characters at most; it may be empty."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:40]


def visible(text: str) -> str:
    """`text` with a replacement character for each that could change how a terminal or a page shows the others."""
    return _UNSAFE.sub("\ufffd", text)


def safe_name(text: str, longest: int = _LONGEST_FILE_NAME) -> str:
    """`text` as the name of a file or folder that every file system takes, Windows' included.

    It has at most `longest` bytes; of a name that is too long, the middle is left out, so that its end still tells it
    from others.
    """
    one_line = clean_name(unicodedata.normalize("NFC", text).replace("\ufffd", " "))
    name = " ".join(_NOT_IN_FILE_NAMES.sub("", _BETWEEN_WORDS.sub("-", one_line)).split())
    name = _within(name.strip(" .-"), longest).strip(" .")
    return "palimpsest" if not name else f"_{name}" if _DEVICES.match(name) else name


def _within(name: str, longest: int) -> str:
    """`name` cut to a number of bytes, in its middle."""
    if len(name.encode()) <= longest:
        return name
    half = (longest - len("…".encode())) // 2
    begin = name.encode()[:half].decode(errors="ignore")
    end = name.encode()[-half:].decode(errors="ignore")
    return f"{begin.rstrip()}…{end.lstrip()}"


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
