"""Compressed files: gzip and zip, with a cap on what they may grow to."""

import gzip
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator

from engine.common.errors import TaskError
from engine.common.quoting import shortened
from engine.tasks.files.limits import MAX_FILES, Room

_CHUNK = 1024 * 1024
_HIDDEN = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)")
_DIRECTORY_ENTRY = b"PK\x01\x02"
# Others are unpacked in one go, however much comes out.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def gunzip(name: str, data: bytes, room: Room) -> bytes:
    """The one file within a .gz. Raises TaskError where it is damaged, cut off or too large."""
    if not data.startswith(b"\x1f\x8b"):
        raise TaskError(f"{name}: this is not a gzip file although its name ends in .gz; rename it or pack it again.")
    parts = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while chunk := file.read(_CHUNK):
                room.take(name, len(chunk))
                parts.append(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{name}: the gzip file is damaged or cut off; copy or pack it again.") from error
    return b"".join(parts)


def unzip(name: str, data: bytes, room: Room) -> Iterator[tuple[str, bytes | TaskError]]:
    """The files within a .zip, by name, each as bytes or as the reason why it can't be read.

    Raises TaskError for the whole archive where it is damaged, dangerous or too large.
    """
    if data.count(_DIRECTORY_ENTRY) > 2 * MAX_FILES:  # folders have entries, too
        raise _too_many(name)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, OverflowError, struct.error) as error:
        raise TaskError(f"{name}: the zip archive is damaged or cut off; copy or pack it again.") from error
    with archive:
        members = [i for i in archive.infolist() if i.filename and not i.is_dir()]
        _refuse_dangerous(name, members)
        members = [i for i in members if not _HIDDEN.search(i.filename)]
        if not members:
            raise TaskError(f"{name}: the zip archive holds no files; put the texts into it.")
        for member in members:
            yield member.filename, _read_member(name, archive, member, room)


def _refuse_dangerous(name: str, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        raise _too_many(name)
    for member in members:
        path = member.orig_filename.replace("\\", "/")
        if path.startswith("/") or re.match(r"^[A-Za-z]:", path) or ".." in path.split("/"):
            raise TaskError(
                f"{name}: the file name '{shortened(member.orig_filename)}' in the zip archive leads out of it; "
                "pack the files again by plain names."
            )
    Room().take(name, sum(member.file_size for member in members))


def _read_member(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: Room) -> bytes | TaskError:
    label = f"{name}/{shortened(member.filename)}"
    if member.flag_bits & 0x1:
        return TaskError(f"{label}: is locked with a password; pack it without one.")
    if stat.S_ISLNK(member.external_attr >> 16):
        return TaskError(f"{label}: is a link, which leads nowhere here; pack the file itself.")
    if member.compress_type not in _METHODS:
        return TaskError(f"{label}: is packed by an unusual method; pack it again with the usual one, deflate.")
    parts = []
    try:
        with archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                room.take(name, len(chunk))  # the size that the archive declares can be a lie
                parts.append(chunk)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error, RuntimeError, struct.error) as error:
        return TaskError(f"{label}: is damaged within the zip archive ({shortened(str(error))}); pack it again.")
    return b"".join(parts)


def _too_many(name: str) -> TaskError:
    return TaskError(f"{name}: the zip archive holds more than {MAX_FILES:,} files; join them into fewer.")
