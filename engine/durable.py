"""Folders and files that are whole or not there, whatever ends the process: written under another name, flushed to
the disk, renamed; and checked by their sums before they are believed."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

SUMS = "sums.sha256"
PARTIAL = ".partial"


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """`folder` appears, in an older one's place, once `fill` has filled it and the disk holds it. Raises OSError."""
    partial = partial_of(folder)
    try:
        partial.mkdir(parents=True)
        fill(partial)
        seal(partial)
        if folder.exists():
            folder.rename(partial_of(folder))
        partial.rename(folder)
        flush(folder.parent)
    finally:
        remove_partials(folder)


def partial_of(folder: Path) -> Path:
    """A name beside `folder` under which it is written."""
    return folder.with_name(f"{folder.name}.{secrets.token_hex(4)}{PARTIAL}")


def remove_partials(folder: Path) -> None:
    """What writing `folder` has left, now or when its process was killed."""
    for partial in folder.parent.glob(f"{folder.name}.*{PARTIAL}"):
        shutil.rmtree(partial, ignore_errors=True)


def seal(folder: Path, durable: bool = True) -> None:
    """Write the sums of all files of `folder` and, where it is to be `durable`, wait until the disk holds them.

    Raises OSError.
    """
    files = sorted(files_of(folder))
    sums = {str(file.relative_to(folder)): file_hash(file) for file in files if file.name != SUMS}
    (folder / SUMS).write_text(json.dumps(sums), encoding="utf-8")
    if durable:
        for file in (*files, folder / SUMS, folder):
            flush(file)


def is_whole(folder: Path) -> bool:
    """Whether every file is what it was when the folder was sealed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        return all(file_hash(folder / name) == digest for name, digest in sums.items())
    return False


def flush(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder. Raises OSError."""
    if os.name == "nt" and path.is_dir():  # there a folder can't be opened, and needs no flushing
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def files_of(folder: Path) -> Iterator[Path]:
    """All files under `folder`."""
    return (file for file in folder.rglob("*") if file.is_file())


def file_hash(file: Path) -> str:
    """SHA-256 of a file's content. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
