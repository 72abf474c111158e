"""What the nodes ask of the machine that asked for their runs: files by their names, and what users wish of a run.

It is an actor of Ray on that machine, in a process of its own, so that reading files holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from engine.cluster.job import Job, NeededFile
from engine.common.durable_files import files_of
from engine.persistence.shared_results import SharedResults

LONGEST_WAIT_SECONDS = 10.0
"""A node that waits for a wish asks again after so long, so that neither side waits for one that is gone."""


class Exchange:
    """Serves the runs that are registered, and nothing else of this machine's files."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, NeededFile]] = {}
        self._shared: dict[str, SharedResults] = {}
        self._wishes: dict[str, str] = {}
        self._changed = asyncio.Condition()

    async def register(self, job: Job, shared_folder: Path) -> None:
        """Serve the files of a run, until it is removed."""
        self._files[job.ticket] = {needed.name: needed for needed in (*job.files, *job.stages)}
        self._shared[job.ticket] = SharedResults(shared_folder)
        self._wishes.setdefault(job.ticket, "go on")

    async def remove(self, ticket: str) -> None:
        """The run has ended, or was lost: a node that still computes it is told to stop."""
        self._files.pop(ticket, None)
        self._shared.pop(ticket, None)
        self._wishes.pop(ticket, None)
        async with self._changed:
            self._changed.notify_all()

    async def ask(self, ticket: str, wish: str) -> None:
        """Wish something of a run: "go on", "pause" or "stop"."""
        self._wishes[ticket] = wish
        async with self._changed:
            self._changed.notify_all()

    async def wish(self, ticket: str, known: str) -> str:
        """Return the wish once it is another one than `known`, or after `LONGEST_WAIT_SECONDS`."""

        def is_new() -> bool:
            return self._wishes.get(ticket, "stop") != known

        async with self._changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait_for(is_new), LONGEST_WAIT_SECONDS)
        return self._wishes.get(ticket, "stop")

    async def read(self, ticket: str, name: str, offset: int, length: int) -> bytes:
        """Bytes of a file that the run's job names. Raises OSError, KeyError for any other name."""
        return await asyncio.to_thread(_bytes_of, Path(self._files[ticket][name].path), offset, length)

    async def result_files(self, ticket: str, key: str) -> dict[str, int] | None:
        """Names and sizes of the files of a shared result; None where there is none."""
        results = self._shared.get(ticket)
        return await asyncio.to_thread(_files, results, key) if results is not None else None

    async def read_result(self, ticket: str, key: str, name: str, offset: int, length: int) -> bytes:
        """Bytes of a file of a shared result, none where it has gone."""
        results = self._shared.get(ticket)
        if results is None or not _is_plain(key) or not _is_plain(name):
            return b""
        try:
            return await asyncio.to_thread(_bytes_of, results.folder / key / name, offset, length)
        except FileNotFoundError:
            return b""


def _files(results: SharedResults, key: str) -> dict[str, int] | None:
    found = results.known_files(key) if _is_plain(key) else None
    if found is None:
        return None
    try:
        return {file.name: file.stat().st_size for file in files_of(found)}
    except FileNotFoundError:
        return None


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and "\\" not in name and name not in (".", "..")


def _bytes_of(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)
