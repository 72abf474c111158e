"""A file of any kind to its contents. The format follows the name, the content must agree with it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from engine.common.errors import TaskError
from engine.common.quoting import listed, shortened
from engine.tasks.files.archives import gunzip, unzip
from engine.tasks.files.contents import Content, ReadingOptions, Table, Text, Unreadable
from engine.tasks.files.encodings import Decoded, decode
from engine.tasks.files.front_matter import REMARK, split_front_matter
from engine.tasks.files.kinds import PACKED, format_of, refusal
from engine.tasks.files.limits import Room, check_pieces, check_size
from engine.tasks.files.web_pages import declared_encoding, page_texts
from engine.tasks.tables.delimited_files import looks_like_table, read_csv
from engine.tasks.tables.json_tables import read_json, read_jsonl
from engine.tasks.tables.parquet import read_parquet
from engine.tasks.tables.sheets import read_xlsx

_RECOGNISED = ReadingOptions()
_EMPTY = "the file is empty; upload it again or leave it out."
_NESTED_ARCHIVE = "an archive within an archive; unpack it once."


def read_source(name: str, data: bytes, options: ReadingOptions = _RECOGNISED) -> list[Content]:
    """Read one file, or all within a zip. Raises TaskError that names the file."""
    check_size(name, len(data))
    stem, format = format_of(name)
    if format == "gz":
        return _read_unpacked(name, stem, gunzip(name, data, Room()), options)
    if format == "zip":
        return _read_zip(name, data, options)
    return _read(name, format, data, options)


def _read_unpacked(name: str, inner: str, data: bytes, options: ReadingOptions) -> list[Content]:
    """Read what a .gz held: `inner` gives the format, `name` stands in messages."""
    _, format = format_of(inner)
    if format in PACKED:
        raise TaskError(f"{name}: {_NESTED_ARCHIVE}")
    return _read(name, format or "txt", data, options)


def _read_zip(name: str, data: bytes, options: ReadingOptions) -> list[Content]:
    found: list[tuple[str, list[Content] | TaskError | Decoded]] = []
    room, pieces = Room(), 0
    for member, content in unzip(name, data, room):
        label = f"{name}/{shortened(member)}"
        try:
            found.append((label, _member(label, member, content, room, options)))
        except TaskError as error:
            found.append((label, error))
        pieces += _pieces_of(found[-1][1])
        check_pieces(name, pieces)
    pages = [(label, one) for label, one in found if isinstance(one, Decoded)]
    texts = iter(_pages(pages))
    read = [(label, _listed(next(texts)) if isinstance(one, Decoded) else one) for label, one in found]
    check_pieces(name, sum(_pieces_of(one) for _, one in read))
    return _usable(name, read)


def _member(
    label: str, member: str, content: bytes | TaskError, room: Room, options: ReadingOptions
) -> list[Content] | Decoded:
    """A file of a zip; of a page its source, since all are taken apart together."""
    stem, format = format_of(member)
    if isinstance(content, TaskError):
        raise content
    if format == "zip":
        raise TaskError(f"{label}: {_NESTED_ARCHIVE}")
    if format == "gz":
        return _read_unpacked(label, stem, gunzip(label, content, room), options)
    return _page_source(label, content, options) if format == "html" else _read(label, format, content, options)


def _listed(page: Text | TaskError) -> list[Content] | TaskError:
    return page if isinstance(page, TaskError) else [page]


def _usable(name: str, read: Sequence[tuple[str, list[Content] | TaskError]]) -> list[Content]:
    """What was read of an archive, with one sentence for each reason why others can't be used. Raises TaskError."""
    bad = [(label, str(one)) for label, one in read if isinstance(one, TaskError)]
    if len(bad) == len(read):
        raise TaskError(f"{name}: none of its {len(read)} files can be used; the first: {bad[0][1]}")
    if len(bad) * 2 > len(read):
        raise TaskError(_mostly_unreadable(name, len(read), bad))
    reasons = _by_reason(bad)
    contents: list[Content] = []
    for label, one in read:
        if not isinstance(one, TaskError):
            contents.extend(one)
        elif label in reasons:
            contents.append(Unreadable(label, reasons.pop(label)))
    return contents


def _by_reason(bad: Sequence[tuple[str, str]]) -> dict[str, str]:
    """By the first file of each kind, one sentence for all that can't be used for the same reason."""
    places: dict[str, list[str]] = {}
    for label, sentence in bad:
        places.setdefault(sentence.removeprefix(label), []).append(label)
    found = {}
    for reason, labels in places.items():
        others = f" The same holds for {listed(labels[1:], 3)}." if len(labels) > 1 else ""
        found[labels[0]] = f"{labels[0]}{reason}{others}"
    return found


def _mostly_unreadable(name: str, files: int, bad: Sequence[tuple[str, str]]) -> str:
    kinds: dict[str, int] = {}
    for label, _ in bad:
        _, format = format_of(label)
        kind = f".{shortened(format, 20)}" if format else "without an ending"
        kinds[kind] = kinds.get(kind, 0) + 1
    counted = listed([f"{kind} ({count})" for kind, count in kinds.items()], 6)
    return (
        f"{name}: {len(bad)} of its {files} files can't be used: {counted}. Pack those with the texts alone; the first "
        f"that can't be used is {bad[0][1]}"
    )


def _read(name: str, format: str, data: bytes, options: ReadingOptions) -> list[Content]:
    refused = refusal(format)
    if refused:
        raise TaskError(f"{name}: {refused}")
    if format in _BINARY:
        if not data:
            raise TaskError(f"{name}: {_EMPTY}")
        return [_BINARY[format](name, data, options)]
    if format == "html":
        (page,) = _pages([(name, _page_source(name, data, options))])
        if isinstance(page, TaskError):
            raise page
        check_pieces(name, _pieces(page))
        return [page]
    decoded = decode(name, data, options.encoding)
    if format == "jsonl":
        return list(read_jsonl(name, decoded))
    if format == "json":
        return list(read_json(name, decoded))
    if format in ("csv", "tsv"):
        return [read_csv(name, decoded, format, options)]
    if format == "txt" and decoded.encoding.startswith("utf-16") and looks_like_table(decoded.text):
        return [read_csv(name, decoded, "tsv", options)]  # Excel saves "Unicode Text" like this
    return [_text(name, decoded, "md" if format == "md" else "txt", options)]


_BINARY: dict[str, Callable[[str, bytes, ReadingOptions], Table]] = {
    "parquet": lambda name, data, _: read_parquet(name, data),
    "xlsx": read_xlsx,
}


def _text(name: str, decoded: Decoded, format: str, options: ReadingOptions) -> Text:
    check_pieces(name, decoded.text.count("\n"))
    text, remarks = decoded.text, decoded.remarks
    if format == "md" and not options.front_matter:
        settings, text = split_front_matter(text)
        if settings and not text.strip():
            raise TaskError(f"{name}: the file holds nothing but front matter; add text, or set front_matter: true.")
        remarks = (*remarks, REMARK) if settings else remarks
    return Text(name, text, decoded.encoding, decoded.how, decoded.certain, format, remarks)


def _page_source(name: str, data: bytes, options: ReadingOptions) -> Decoded:
    """A page as its makers wrote it, in the encoding that it says it is in unless that is wrong."""
    declared = declared_encoding(data) if options.encoding is None else None
    if declared and not declared.startswith("utf-16"):  # a page that says so in single bytes is not in it
        with suppress(TaskError):
            return replace(decode(name, data, declared), how="what the page says of itself")
    return decode(name, data, options.encoding)


def _pages(sources: Sequence[tuple[str, Decoded]]) -> list[Text | TaskError]:
    """What pages show."""
    found: list[Text | TaskError] = []
    texts = page_texts([(name, source.text) for name, source in sources])
    for (name, source), text in zip(sources, texts, strict=True):
        if isinstance(text, TaskError):
            found.append(text)
        elif not text.strip():
            found.append(TaskError(f"{name}: the page shows no text; save what it shows as plain text (.txt)."))
        else:
            found.append(Text(name, text, source.encoding, source.how, source.certain, "txt", source.remarks))
    return found


def _pieces_of(one: list[Content] | TaskError | Decoded) -> int:
    return sum(map(_pieces, one)) if isinstance(one, list) else 0


def _pieces(content: Content) -> int:
    """Lines of a text, cells of a table."""
    if isinstance(content, Text):
        return content.text.count("\n") + 1
    return content.frame.size if isinstance(content, Table) else 0
