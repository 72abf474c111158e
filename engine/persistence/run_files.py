"""The files of a run, taken into another folder: weights are linked where the disk can, all else is copied.

A linked file is one file under two names, so that only what is never changed in place may be linked.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.common.durable_files import PARTIAL, SUMS

_LINKED = (".safetensors", ".pt")


def take_files(run_folder: Path, target: Path) -> None:
    """Put the files of a run's folder under `target`: checkpoints, resume points and what was kept beside them. What a
    kill left half-written stays behind. Raises OSError."""
    for file in _files(run_folder):
        place = target / file.relative_to(run_folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not (_may_be_linked(file) and _link(file, place)):
            shutil.copy2(file, place)


def copied_bytes(run_folder: Path, target: Path) -> int:
    """The bytes that `take_files` would have to copy: all of them where `target` is on another disk."""
    above = next(each for each in (target, *target.parents) if each.exists())
    disk, copied = above.stat().st_dev, 0
    for file in _files(run_folder):
        about = file.stat()
        if about.st_dev != disk or not _may_be_linked(file):
            copied += about.st_size
    return copied


def _files(run_folder: Path) -> Iterator[Path]:
    for file in sorted(run_folder.rglob("*")):
        parts = file.relative_to(run_folder).parts
        if file.is_file() and not any(part.endswith(PARTIAL) for part in parts):
            yield file


def _may_be_linked(file: Path) -> bool:
    """Whether it is a tensor file of a sealed folder; journals go on, and sums and cards are written anew."""
    return file.suffix in _LINKED and (file.parent / SUMS).is_file()


def _link(file: Path, place: Path) -> bool:
    try:
        os.link(file.resolve(), place)
    except OSError:  # another disk, or one that has no links
        return False
    return True
