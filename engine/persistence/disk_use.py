"""Bytes that files take, and bytes that removing them frees, where one file may have several names (hard links)."""

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileName:
    """One name of a file, and what the disk says of the file behind it."""

    device: int
    inode: int
    names: int
    """The number of names that the file has on its disk, this one included."""
    size_bytes: int


def names_under(*places: Path) -> Iterator[FileName]:
    """Every regular file at or below these places, once for each name. What is gone or can't be read is left out;
    links to other places are not followed."""
    for place in places:
        with contextlib.suppress(OSError):
            about = place.stat(follow_symlinks=False)
            if stat.S_ISREG(about.st_mode):
                yield _name(about)
            elif stat.S_ISDIR(about.st_mode):
                with os.scandir(place) as entries:
                    below = [Path(entry.path) for entry in entries]
                yield from names_under(*below)


def taken_bytes(names: Iterable[FileName]) -> int:
    """The bytes of the files that have these names, each file counted once."""
    return sum({(each.device, each.inode): each.size_bytes for each in names}.values())


def freed_bytes(names: Iterable[FileName]) -> int:
    """The bytes that are free once these names are removed: those of the files that have no other name.

    Each name must be given once.
    """
    removed, files = Counter[tuple[int, int]](), dict[tuple[int, int], FileName]()
    for each in names:
        removed[each.device, each.inode] += 1
        files[each.device, each.inode] = each
    return sum(each.size_bytes for key, each in files.items() if removed[key] >= each.names)


def _name(about: os.stat_result) -> FileName:
    return FileName(about.st_dev, about.st_ino, about.st_nlink, about.st_size)
