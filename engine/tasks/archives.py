"""Compressed files: gzip and zip, with a cap on what they may grow to."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from engine.errors import TaskError

MAX_BYTES = 512 * 1024 * 1024
"""What one upload may hold uncompressed."""
MAX_FILES = 10_000
_CHUNK = 1024 * 1024
_HIDDEN = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)")


def gunzip(name: str, data: bytes) -> bytes:
    """The one file within a .gz. Raises TaskError where it is damaged, cut off or too large."""
    if not data.startswith(b"\x1f\x8b"):
        raise TaskError(f"{name}: this is not a gzip file although its name ends in .gz; rename it or pack it again.")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{name}: the gzip file is damaged or cut off; copy or pack it again.") from error
    if len(content) > MAX_BYTES:
        raise _too_large(name)
    return content


def unzip(name: str, data: bytes) -> Iterator[tuple[str, bytes | TaskError]]:
    """The files within a .zip, by name, each as bytes or as the reason why it can't be read.

    Raises TaskError for the whole archive where it is damaged, dangerous or too large.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise TaskError(f"{name}: the zip archive is damaged or cut off; copy or pack it again.") from error
    with archive:
        members = [i for i in archive.infolist() if not i.is_dir()]
        _refuse_dangerous(name, members)
        members = [i for i in members if not _HIDDEN.search(i.filename)]
        if not members:
            raise TaskError(f"{name}: the zip archive holds no files; put the texts into it.")
        left = MAX_BYTES
        for member in members:
            content = _read_member(name, archive, member, left)
            left -= len(content) if isinstance(content, bytes) else 0
            yield member.filename, content


def _refuse_dangerous(name: str, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        raise TaskError(f"{name}: the zip archive holds more than {MAX_FILES:,} files; join them into fewer.")
    for member in members:
        path = member.orig_filename.replace("\\", "/")
        if path.startswith("/") or re.match(r"^[A-Za-z]:", path) or ".." in path.split("/"):
            raise TaskError(
                f"{name}: the file name '{member.orig_filename}' in the zip archive leads out of it; "
                "pack the files again by plain names."
            )
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise _too_large(name)


def _read_member(name: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> bytes | TaskError:
    label = f"{name}/{member.filename}"
    if member.flag_bits & 0x1:
        return TaskError(f"{label}: is locked with a password; pack it without one.")
    parts, size = [], 0
    try:
        with archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > left:  # the size that the archive declares can be a lie
                    raise _too_large(name)
                parts.append(chunk)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        return TaskError(f"{label}: is damaged within the zip archive ({error}); pack it again.")
    return b"".join(parts)


def _too_large(name: str) -> TaskError:
    return TaskError(
        f"{name}: unpacked it would be larger than {MAX_BYTES // 2**20} MB, the most that one upload may hold; "
        "split it into several files."
    )
