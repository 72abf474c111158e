"""Bytes to text: which encoding, how sure, and what to say when the bytes are no text at all."""

import unicodedata
from dataclasses import dataclass

import charset_normalizer

from engine.common.errors import TaskError

ENCODINGS = {
    "utf-8": "UTF-8",
    "utf-16": "UTF-16",
    "windows-1252": "Windows-1252 (Western)",
    "latin-1": "Latin-1 (Western)",
    "gb18030": "GB18030 (Chinese)",
    "big5": "Big5 (traditional Chinese)",
    "shift_jis": "Shift JIS (Japanese)",
    "euc_kr": "EUC-KR (Korean)",
    "windows-1251": "Windows-1251 (Cyrillic)",
}
"""What a user can choose, with the name to show."""

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_MAGIC = (
    (b"PK\x03\x04", "a zip archive (Office documents are, too); export it as text or CSV, or name it .zip"),
    (b"PK\x05\x06", "an empty zip archive; export the text itself"),
    (b"\x1f\x8b", "a gzip file; name it .gz"),
    (b"PAR1", "a Parquet table; name it .parquet"),
    (b"%PDF", "a PDF document; export its text first"),
    (b"\x89PNG", "a picture; upload text"),
    (b"\xff\xd8\xff", "a picture; upload text"),
    (b"GIF8", "a picture; upload text"),
    (b"\xd0\xcf\x11\xe0", "an old Office document; export it as text or CSV"),
    (b"SQLite format 3\x00", "a database; export its text as CSV"),
    (b"\x7fELF", "a program; upload text"),
    (b"{\\rtf", "an RTF document; save it as plain text"),
    (b"7z\xbc\xaf", "a 7z archive; pack it as .zip"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer, not the text itself; fetch it with 'git lfs pull'"),
)
_SAMPLE = 200_000
_CUT_OFF = (
    "The file ends in the middle of a character, so it was probably cut off; it was read up to there. "
    "If there should be more, copy or download it again."
)


@dataclass(frozen=True)
class Decoded:
    """Text with LF line ends. `certain` is False where the bytes alone could also mean something else."""

    text: str
    encoding: str
    how: str
    certain: bool
    remarks: tuple[str, ...] = ()
    """Whole sentences that a user has to know."""


def decode(name: str, data: bytes, encoding: str | None = None) -> Decoded:
    """Decode a file; `encoding` overrides recognition. Raises TaskError that names the file."""
    if not data:
        raise TaskError(f"{name}: the file is empty; upload it again or leave it out.")
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise TaskError(f"{name}: this is {what}.")
    if encoding is not None:
        return _whole_or_cut(name, data, encoding, encoding, "chosen")
    for mark, marked in _BOMS:
        if data.startswith(mark):
            return _whole_or_cut(name, data, marked, marked, "byte-order mark")
    return _recognise(name, data)


def clean(text: str) -> str:
    """LF line ends, and no halves of characters, which no file could hold and no tokenizer reads."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _finish(name: str, text: str, encoding: str, how: str, *, certain: bool, remarks: tuple[str, ...] = ()) -> Decoded:
    text = clean(text.removeprefix("\ufeff"))
    if not text.strip():
        raise TaskError(f"{name}: the file holds only white space; upload it again or leave it out.")
    return Decoded(text, encoding, how, certain, remarks)


def _whole_or_cut(name: str, data: bytes, encoding: str, shown: str, how: str) -> Decoded:
    """Decode strictly, but for the part of a character at the end of a file that was cut off."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        if _is_cut_off(data, error):
            text = _decode_as(name, data[: error.start], encoding)
            return _finish(name, text, shown, how, certain=True, remarks=(_CUT_OFF,))
    except (LookupError, ValueError):
        pass  # said below
    return _finish(name, _decode_as(name, data, encoding), shown, how, certain=True)


def _is_cut_off(data: bytes, error: UnicodeDecodeError) -> bool:
    """Whether the error is that the last character lacks its end."""
    wide = error.encoding.startswith(("utf-16", "utf-32", "utf_16", "utf_32"))
    ends = error.reason in ("unexpected end of data", "truncated data") and (wide or error.encoding == "utf-8")
    return ends and error.start > 0 and not data[: error.start].isascii()


def _decode_as(name: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{name}, line {_line(data, error.start)}: these bytes are not {ENCODINGS.get(encoding, encoding)}; "
            "choose another encoding or save the file again as UTF-8."
        ) from error
    except (LookupError, ValueError) as error:  # Python knows encodings that only ever refuse
        known = ", ".join(ENCODINGS)
        raise TaskError(f"{name}: there is no encoding '{encoding}'; choose one of {known}.") from error


def _recognise(name: str, data: bytes) -> Decoded:
    if b"\x00" in data:
        wide = _utf16_without_mark(data)
        if wide is None:
            raise TaskError(f"{name}: this is not text but binary data; export it as text, CSV, JSON or Parquet.")
        return _finish(name, data.decode(wide), wide, "pattern of zero bytes", certain=True)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        tail = len(data) - error.start
        if error.reason == "unexpected end of data" and (tail > 1 or not data[: error.start].isascii()):
            text = data[: error.start].decode("utf-8")
            _refuse_control_characters(name, text)
            return _finish(name, text, "utf-8", "valid UTF-8", certain=True, remarks=(_CUT_OFF,))
        _refuse_damaged_utf8(name, data, error)
        return _legacy(name, data)
    _refuse_control_characters(name, text)
    return _finish(name, text, "utf-8", "valid UTF-8", certain=True)


def _refuse_damaged_utf8(name: str, data: bytes, error: UnicodeDecodeError) -> None:
    lenient = data[:_SAMPLE].decode("utf-8", "replace")
    broken = lenient.count("\ufffd")
    good = sum(1 for character in lenient if character > "\x7f") - broken
    if good >= 4 * max(broken, 1):
        raise TaskError(
            f"{name}, line {_line(data, error.start)}: the file is UTF-8 but for some damaged bytes, the first of them "
            "here; save it again as UTF-8, or choose the encoding yourself."
        ) from error


def _legacy(name: str, data: bytes) -> Decoded:
    _refuse_control_characters(name, data[:_SAMPLE].decode("latin-1"))
    korean, chinese = _strictly(data, "euc_kr"), _strictly(data, "gb18030")
    if korean and _share(korean, "\uac00", "\ud7a3") >= 0.9:
        return _finish(name, korean, "euc_kr", "its Hangul letters", certain=False)
    if chinese and _common_chinese_share(chinese) >= 0.7:
        return _finish(name, chinese, "gb18030", "its common Chinese characters", certain=False)
    western = _strictly(data, "windows-1252")
    if western and _accents_stand_alone(data):
        has_extra = any(0x80 <= byte <= 0x9F for byte in data)
        encoding = "windows-1252" if has_extra else "latin-1"
        return _finish(name, western, encoding, "its single accented letters", certain=False)
    best = charset_normalizer.from_bytes(data[:_SAMPLE]).best()
    text = _strictly(data, best.encoding) if best else None
    if best is None or text is None:
        raise TaskError(f"{name}: its encoding is not recognised; choose it yourself or save the file as UTF-8.")
    return _finish(name, text, best.encoding, "the statistics of its characters", certain=False)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _share(text: str, low: str, high: str) -> float:
    """Share of the letters beyond ASCII that lie between two code points."""
    foreign = [c for c in text[:_SAMPLE] if c > "\x7f" and c.isalpha()]
    return sum(low <= c <= high for c in foreign) / len(foreign) if foreign else 0.0


def _common_chinese_share(text: str) -> float:
    """Share of the characters beyond ASCII that GB2312 holds: its punctuation and the common Chinese characters."""
    foreign = [c for c in text[:_SAMPLE] if c > "\x7f"]
    common = sum(1 for c in foreign if _in_gb2312(c))
    return common / len(foreign) if foreign else 0.0


def _in_gb2312(character: str) -> bool:
    try:
        return len(character.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False


def _accents_stand_alone(data: bytes) -> bool:
    """Western languages write one accented letter or quotation mark between plain ones, seldom three in a row."""
    sample = data[:_SAMPLE].decode("latin-1")
    total = in_long_runs = run = 0
    for character in sample + " ":
        if character > "\x7f":
            run += 1
            continue
        total += run
        in_long_runs += run if run >= 3 else 0
        run = 0
    return in_long_runs <= 0.2 * total


def _utf16_without_mark(data: bytes) -> str | None:
    shares = {name: _plausible_share(data[:8000], name) for name in ("utf-16-le", "utf-16-be")}
    best = max(shares, key=lambda name: shares[name])
    return best if shares[best] >= 0.98 and _strictly(data, best) is not None else None


def _plausible_share(data: bytes, encoding: str) -> float:
    text = data[: len(data) // 2 * 2].decode(encoding, "replace")
    if not any(c in " \n" for c in text) and len(text) > 40:
        return 0.0
    plausible = sum(c in "\n\r\t\ufeff" or unicodedata.category(c)[0] in "LNPZS" for c in text)
    return plausible / max(len(text), 1) - text.count("\ufffd") / max(len(text), 1)


def _refuse_control_characters(name: str, text: str) -> None:
    sample = text[:_SAMPLE]
    odd = sum(1 for c in sample if c < " " and c not in "\t\n\r\x0b\x0c\x1b")
    if odd > max(2, 0.005 * len(sample)):
        raise TaskError(f"{name}: this is not text but binary data; export it as text, CSV, JSON or Parquet.")


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
