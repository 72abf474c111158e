"""The room for what runs write: on the disk, and by the limit that an operator may have set."""

import os
import shutil
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engine.common.errors import ConfigError, StoreError, StoreUnavailableError

VARIABLE = "PALIMPSEST_DISK_LIMIT_GB"
_GB = 10**9


@dataclass(frozen=True)
class Room:
    """The use of a data folder, in bytes."""

    used: int
    """The bytes of its files, those under several names once."""
    free: int
    """The bytes that may still be written."""
    limit: int | None
    """The most that may be used, where the operator has set one."""


def room(folder: Path) -> Room:
    """The room of a data folder. Raises ConfigError where the limit is not a number."""
    limit, used = _limit(), used_bytes(folder)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    return Room(used, free if limit is None else max(0, min(free, limit - used)), limit)


def check_room(folder: Path, of_one: int, runs: int = 1) -> None:
    """Raises StoreUnavailableError where the bytes of `runs` runs that each write `of_one` don't fit now, StoreError
    where they never would."""
    needed = of_one * runs
    found = room(folder)
    if needed <= found.free:
        return
    why = "its disk has" if found.limit is None else f"its limit of {found.limit / _GB:g} GB ({VARIABLE}) leaves"
    about = f"a checkpoint with a resume point of this run takes about {of_one / _GB:.2f} GB"
    about += f", and {runs} runs may write one at once" if runs > 1 else ""
    if found.limit is not None and needed > found.limit:
        fewer = ", or let fewer runs go at once" if runs > 1 else ""
        raise StoreError(
            f"{folder}: its limit is {found.limit / _GB:g} GB ({VARIABLE}), and {about}. Raise the limit{fewer}."
        )
    raise StoreUnavailableError(
        f"{folder}: {why} {found.free / _GB:.2f} GB, and {about}. "
        f"Delete experiments that are no longer needed, or free some space."
    )


def check_copies(target: Path, needed: int) -> None:
    """Raises StoreUnavailableError where files of `needed` bytes that are to be copied to `target` don't fit."""
    above = next(each for each in (target, *target.parents) if each.exists())
    free = min(shutil.disk_usage(above).free, _limit() or needed)
    if needed > free:
        raise StoreUnavailableError(
            f"{target}: {needed / _GB:.2f} GB are to be copied there, and {free / _GB:.2f} GB are free; free some "
            "space, or choose a folder on another disk."
        )


def _limit() -> int | None:
    given = os.environ.get(VARIABLE, "").strip()
    if not given:
        return None
    try:
        limit = float(given)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ConfigError(f"{VARIABLE}: {given!r} is not a number of gigabytes above 0.")
    return int(limit * _GB)


def used_bytes(*folders: Path) -> int:
    """The bytes that files under `folders` take; one that is linked under several names counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for place, _, names in chain.from_iterable(map(os.walk, folders)):
        for name in names:
            try:
                about = Path(place, name).lstat()
            except FileNotFoundError:  # removed meanwhile
                continue
            sizes[about.st_dev, about.st_ino] = about.st_size
    return sum(sizes.values())
