"""The texts and models that a node was sent, kept by their content: what several runs need comes once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from engine.cluster.job import NeededFile
from engine.cluster.messages import PART_BYTES
from engine.cluster.sending import RUN
from engine.common.durable_files import file_hash, link_or_copy
from engine.common.errors import StoreError

LIMIT_BYTES = 20_000_000_000
"""The least recently used contents go once all of them are larger than this."""

Read = Callable[[NeededFile, int, int], bytes]
"""Gives bytes of a file of the other machine: the file, the offset, the most bytes."""


class ContentCache:
    """A folder of files named by the SHA-256 of their bytes. Several processes of a node may use it at once."""

    def __init__(self, folder: Path, read: Read, common: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        """Files under `common`, a folder that all machines have in common, are taken from there."""
        self._folder, self._read, self._common, self._limit = folder, read, common, limit_bytes

    def place(self, needed: NeededFile, target: Path) -> None:
        """Put a file at `target`, from here or from the other machine. Raises StoreError where what came is not what
        was named, OSError where the disk refuses."""
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = self._folder / needed.content
        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / f"{needed.content}.lock"):
            if not (kept.is_file() and kept.stat().st_size == needed.size and file_hash(kept) == needed.content):
                self._fetch(needed, kept)
            os.utime(kept)
            if needed.name.startswith(f"{RUN}/"):  # the run writes into some of them
                shutil.copyfile(kept, target)
            else:
                link_or_copy(kept, target)
        self._make_room(kept)

    def _fetch(self, needed: NeededFile, kept: Path) -> None:
        arriving, source = kept.with_suffix(".arriving"), Path(needed.path)
        if is_common(source, self._common):
            shutil.copyfile(source, arriving)
        else:
            self._receive(needed, arriving)
        if file_hash(arriving) != needed.content:
            arriving.unlink()
            raise StoreError(
                f"{needed.path} has changed since the run was sent to this node, or arrived damaged; resume the run."
            )
        arriving.replace(kept)

    def _receive(self, needed: NeededFile, arriving: Path) -> None:
        with arriving.open("wb") as opened:
            while (length := opened.tell()) < needed.size:
                part = self._read(needed, length, PART_BYTES)
                if not part:
                    break
                opened.write(part)

    def _make_room(self, latest: Path) -> None:
        files = [file for file in self._folder.iterdir() if file.suffix == "" and file.is_file()]
        entries = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in files)
        total = sum(size for _, size, _ in entries)
        for _, size, file in entries:
            if total <= self._limit:
                return
            if file != latest:
                file.unlink(missing_ok=True)
                total -= size


def is_common(path: Path, common: Path | None) -> bool:
    """Whether a path of the other machine is one of this machine too: it lies under the folder in common."""
    return common is not None and path.is_relative_to(common) and path.exists()
