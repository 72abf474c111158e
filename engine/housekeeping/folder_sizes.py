"""What each run's files take on disk, looked up beside the pages: many folders take a disk its time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.housekeeping.wastebin import files_of
from engine.persistence.disk_use import FileName, names_under, taken_bytes
from engine.store.schema import Database

REST_SECONDS = 10.0
"""The time for which sizes count as new, unless other runs are asked about."""
Signature = tuple[tuple[str, int], ...]
"""The folders of a run and its log, each with the time at which an entry was last added or removed, or its size."""


@dataclass(frozen=True)
class _Found:
    signature: Signature
    names: tuple[FileName, ...]


class FolderSizes:
    """The sizes of the runs of a store, as they were when they were last looked up.

    A run is read anew where one of its folders has changed since, and always while it may grow: training appends to
    files, which no folder tells.
    """

    def __init__(self, store: Database) -> None:
        self._store = store
        self._found: dict[str, _Found] = {}
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._looked_at, self._looked_for = -REST_SECONDS, frozenset[str]()
        self.changes = 0
        """Counts the looks that found other sizes than the one before."""

    @property
    def looking(self) -> bool:
        """Whether a look is under way."""
        return self._thread is not None and self._thread.is_alive()

    def taken(self, run_ids: Iterable[str]) -> int | None:
        """The bytes that these runs take together, a file that several of them hold counted once; None where one of
        them was never looked up."""
        found = [self._found.get(run_id) for run_id in run_ids]
        if any(each is None for each in found):
            return None
        return taken_bytes(name for each in found if each is not None for name in each.names)

    def begin_look(self, run_ids: Collection[str], growing: Collection[str]) -> None:
        """Look the runs up in a thread, unless one is at it or has just looked at these; those that may grow are always
        read."""
        with self._starting:
            rests = time.monotonic() - self._looked_at < REST_SECONDS and self._looked_for == frozenset(run_ids)
            if not self.looking and not rests:
                self._thread = threading.Thread(
                    target=self.look, args=(tuple(run_ids), frozenset(growing)), name="palimpsest-sizes", daemon=True
                )
                self._thread.start()

    def look(self, run_ids: Collection[str], growing: Collection[str]) -> None:
        """Look the runs up now; what is not among them is forgotten."""
        fresh = {run_id: self._looked_up(run_id, run_id in growing) for run_id in run_ids}
        if {key: each.names for key, each in fresh.items()} != {key: each.names for key, each in self._found.items()}:
            self._found = fresh
            self.changes += 1
        self._looked_at, self._looked_for = time.monotonic(), frozenset(run_ids)

    def _looked_up(self, run_id: str, grows: bool) -> _Found:
        before = self._found.get(run_id)
        places = files_of(self._store, run_id)
        signature = _signature(*places)
        if before is not None and not grows and before.signature == signature:
            return before
        return _Found(signature, tuple(names_under(*places)))


def _signature(folder: Path, log: Path) -> Signature:
    found = [(str(log), _size(log))]
    below = [folder]
    while below:
        here = below.pop()
        try:
            found.append((str(here), here.stat().st_mtime_ns))
            with os.scandir(here) as entries:
                below += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:  # it is gone, or never was
            found.append((str(here), -1))
    return tuple(found)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return -1
