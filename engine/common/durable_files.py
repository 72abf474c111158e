"""Folders and files that are whole or not there, whatever ends the process: written under another name, flushed to
the disk, renamed; and checked by their sums before they are believed."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from safetensors import SafetensorError

from engine.common.errors import StoreError, StoreUnavailableError

SUMS = "sums.sha256"
PARTIAL = ".partial"
_FULL, _READ_ONLY, _BROKEN = (
    "the disk is full; free some space",
    "it is read-only for this program; check its permissions and its disk",
    "the disk does not answer as it should; check it",
)
_PASSING = {
    errno.ENOSPC: _FULL, errno.EDQUOT: _FULL, errno.EROFS: _READ_ONLY, errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY, errno.EIO: _BROKEN, errno.ESTALE: _BROKEN,
}  # fmt: skip
"""Conditions that can be mended while a run waits."""
_FULL_BYTES = 2**26
"""A disk with less is full where writing fails without a number: torch and safetensors say it in their own words."""


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """`folder` appears, in an older one's place, once `fill` has filled it and the disk holds it.

    Raises StoreError as `writing` does.
    """
    partial = partial_of(folder)
    try:
        with writing(folder):
            partial.mkdir(parents=True)
            fill(partial)
            seal(partial)
            if folder.exists():
                folder.rename(partial_of(folder))
            partial.rename(folder)
            flush(folder.parent)
    finally:  # not before it is known why: this makes room
        remove_partials(folder)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raise errors of writing inside the block with the name of `folder`: StoreUnavailableError where the disk is full,
    read-only or does not answer, else StoreError."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        passing = _passing(error, folder)
        if passing:
            raise StoreUnavailableError(f"{folder} can't be written: {passing}.") from error
        why = error.strerror if isinstance(error, OSError) else None
        raise StoreError(f"{folder} can't be written ({why or error}); mend that and try again.") from error


def _passing(error: Exception, folder: Path) -> str:
    """Return in words why nothing can be written where that can be mended meanwhile, else an empty text."""
    if isinstance(error, OSError) and error.errno is not None:
        return _PASSING.get(error.errno, "")
    text = str(error) if os.name != "nt" else ""  # there the numbers are others
    named = next((words for number, words in _PASSING.items() if f"os error {number})" in text), "")
    above = next(each for each in (folder, *folder.parents) if each.exists())
    refuses = "" if os.access(above, os.W_OK) else _READ_ONLY
    return named or refuses or (_FULL if shutil.disk_usage(above).free < _FULL_BYTES else "")


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """A file with this text, in an older one's place, once it is whole; where it is to be `durable`, once the disk
    holds it. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, encoding="utf-8")
        if durable:
            flush(temporary)
        temporary.replace(path)
        if durable:
            flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def partial_of(folder: Path) -> Path:
    """A name beside `folder` under which it is written."""
    return folder.with_name(f"{folder.name}.{secrets.token_hex(4)}{PARTIAL}")


def remove_partials(folder: Path) -> None:
    """Remove the unfinished folders that writing `folder` has left, now or when its process was killed."""
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
    """Whether every file is what it was when the folder was sealed; files that were added since don't count."""
    sums = sealed_sums(folder)
    while sums is not None:
        with contextlib.suppress(OSError):
            if all(file_hash(folder / name) == digest for name, digest in sums.items()):
                return True
        before, sums = sums, sealed_sums(folder)
        if sums == before:
            return False  # otherwise files were taken out meanwhile
    return False


def sealed_sums(folder: Path) -> dict[str, str] | None:
    """The sums with which a folder was sealed, by file; None where it was not."""
    with contextlib.suppress(OSError, ValueError):
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        return sums if isinstance(sums, dict) else None
    return None


def take_out(folder: Path, names: Collection[str]) -> None:
    """Remove files from a sealed folder, which is whole at every instant: its sums forget them first, on the disk too.
    Once more does what a kill has left to do. Raises OSError."""
    sums = sealed_sums(folder) or {}
    if not sums.keys().isdisjoint(names):
        write_text(folder / SUMS, json.dumps({name: sums[name] for name in sums if name not in names}), durable=True)
    for name in names:
        (folder / name).unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under another name too; a copy where the disk has no hard links. Raises OSError."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


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
