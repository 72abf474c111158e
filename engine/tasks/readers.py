"""A file of any kind to its contents. The format follows the name, the content must agree with it."""

from engine.errors import TaskError
from engine.names import shortened
from engine.tasks.archives import gunzip, unzip
from engine.tasks.contents import Content, Table, Text, Unreadable
from engine.tasks.encodings import decode
from engine.tasks.limits import Room, check_pieces, check_size
from engine.tasks.parquet import read_parquet
from engine.tasks.tables import read_csv, read_json, read_jsonl

FORMATS = ("txt", "md", "csv", "tsv", "jsonl", "json", "parquet")
SUFFIXES = (*FORMATS, "gz", "zip")
"""What an upload may end in; also 'txt.gz' and the like."""
_SAME = {"text": "txt", "markdown": "md", "ndjson": "jsonl", "jsonlines": "jsonl", "tab": "tsv"}


def read_source(name: str, data: bytes, encoding: str | None = None) -> list[Content]:
    """Read one file, or all within a zip. `encoding` None: recognised. Raises TaskError that names the file."""
    check_size(name, len(data))
    stem, format = _format(name)
    if format == "gz":
        return read_source_unpacked(name, stem, gunzip(name, data, Room()), encoding)
    if format == "zip":
        return _read_zip(name, data, encoding)
    return [_read(name, format, data, encoding)]


def read_source_unpacked(name: str, inner: str, data: bytes, encoding: str | None) -> list[Content]:
    """Read what a .gz held: `inner` gives the format, `name` stands in messages."""
    _, format = _format(inner)
    if format in ("gz", "zip"):
        raise TaskError(f"{name}: an archive within an archive; unpack it once.")
    return [_read(name, format or "txt", data, encoding)]


def _read_zip(name: str, data: bytes, encoding: str | None) -> list[Content]:
    contents: list[Content] = []
    room, pieces = Room(), 0
    for member, content in unzip(name, data, room):
        label = f"{name}/{shortened(member)}"
        try:
            if isinstance(content, TaskError):
                raise content
            if _format(member)[1] == "zip":
                raise TaskError(f"{label}: an archive within an archive; unpack it once.")
            if _format(member)[1] == "gz":
                stem = member.removesuffix(".gz")
                contents.extend(read_source_unpacked(label, stem, gunzip(label, content, room), encoding))
            else:
                contents.append(_read(label, _format(member)[1], content, encoding))
        except TaskError as error:
            contents.append(Unreadable(label, str(error)))
            continue
        pieces += _pieces(contents[-1])
        check_pieces(name, pieces)
    if all(isinstance(content, Unreadable) for content in contents):
        first = contents[0]
        raise TaskError(
            f"{name}: none of its {len(contents)} files can be used; the first: {getattr(first, 'reason', '')}"
        )
    return contents


def _read(name: str, format: str, data: bytes, encoding: str | None) -> Content:
    if format == "parquet":
        if not data:
            raise TaskError(f"{name}: the file is empty; upload it again or leave it out.")
        return read_parquet(name, data)
    if format not in FORMATS:
        kinds = ", ".join(f".{f}" for f in FORMATS)
        ending = f"files ending in .{shortened(format)}" if format else "files without an ending"
        raise TaskError(f"{name}: {ending} can't be read; use {kinds}, or these as .gz or in a .zip.")
    decoded = decode(name, data, encoding)
    if format == "jsonl":
        return read_jsonl(name, decoded)
    if format == "json":
        return read_json(name, decoded)
    if format in ("csv", "tsv"):
        return read_csv(name, decoded, format)
    check_pieces(name, decoded.text.count("\n"))
    return Text(name, decoded.text, decoded.encoding, decoded.how, decoded.certain, format)


def _pieces(content: Content) -> int:
    """Lines of a text, cells of a table."""
    if isinstance(content, Text):
        return content.text.count("\n") + 1
    return content.frame.size if isinstance(content, Table) else 0


def _format(name: str) -> tuple[str, str]:
    """The name without its ending, and the ending in one spelling."""
    stem, dot, ending = name.rpartition(".")
    ending = ending.lower()
    return (stem, _SAME.get(ending, ending)) if dot and "/" not in ending else (name, "")
