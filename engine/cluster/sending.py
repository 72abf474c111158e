"""The files of a run on a node, sent whenever they have changed: each content once, in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.cluster.messages import PART_BYTES, FilePart, FilesWhole, Message, SameFile
from engine.common.durable_files import PARTIAL, files_of

RUN, SHARED = "run", "shared"
"""The two folders in a run's working folder whose files are sent."""
_APPENDED = ".jsonl"
"""Files that only grow, of which the new end is sent."""

_State = tuple[int, int, int]
"""A file's inode, size and time of change in nanoseconds."""


class FolderSender:
    """Sends what has changed under a run's working folder since the last time. Nothing else may write there while it
    does: the run computes in the same thread."""

    def __init__(self, folder: Path) -> None:
        """What lies in `folder` now is on the other side already."""
        self._folder = folder
        self._known = dict(self._states())
        self._sent: dict[str, _State] = {}
        self._ends: dict[str, tuple[int, bytes]] = {}

    def changes(self) -> Iterator[Message]:
        """Yield the messages that make the other side's files equal to these. Raises OSError."""
        now = dict(self._states())
        changed = sorted(name for name, state in now.items() if self._known.get(name) != state)
        for name in changed:
            twin = self._twin(name, now)
            if twin is not None:
                yield SameFile(name, twin)
            else:
                yield from self._parts(name, now[name][1])
            self._sent[name] = now[name]
        for name in self._known.keys() - now.keys():
            self._sent.pop(name, None)
            self._ends.pop(name, None)
        removed = _gone(self._known, now)
        self._known = now
        if changed or removed:
            yield FilesWhole(removed)

    def _twin(self, name: str, now: dict[str, _State]) -> str | None:
        """A file of the run that was sent already and is the same one under another name."""
        twins = (each for each, state in self._sent.items() if state == now[name] == now.get(each))
        return next((each for each in twins if each != name and each.startswith(f"{RUN}/")), None)

    def _parts(self, name: str, size: int) -> Iterator[FilePart]:
        with (self._folder / name).open("rb") as opened:
            offset = self._unchanged(name, size, opened)
            digest = hashlib.sha256()
            if name.endswith(_APPENDED):
                opened.seek(0)
                digest.update(opened.read(offset))
            opened.seek(offset)
            while True:
                content = opened.read(min(PART_BYTES, size - offset))
                if content or offset == 0:  # an empty file is a file
                    yield FilePart(name, offset, content)
                digest.update(content)
                offset += len(content)
                if not content or offset >= size:
                    break
        if name.endswith(_APPENDED):
            self._ends[name] = offset, digest.digest()

    def _unchanged(self, name: str, size: int, opened: BinaryIO) -> int:
        """How many bytes at the beginning of a file are what was sent already."""
        length, digest = self._ends.get(name, (0, b""))
        is_longer = 0 < length <= size and hashlib.sha256(opened.read(length)).digest() == digest
        opened.seek(0)
        return length if is_longer else 0

    def _states(self) -> Iterator[tuple[str, _State]]:
        for top in (RUN, SHARED):
            for file in files_of(self._folder / top):
                name = file.relative_to(self._folder)
                if any(part.endswith(PARTIAL) for part in name.parts):
                    continue
                about = file.stat()
                yield name.as_posix(), (about.st_ino, about.st_size, about.st_mtime_ns)


def _gone(before: dict[str, _State], now: dict[str, _State]) -> tuple[str, ...]:
    """Files of the run that are no more, folders by their own name. Shared results are not taken back."""
    entries = {_entry(name) for name in now}
    found = {_entry(name) if _entry(name) not in entries else name for name in before.keys() - now.keys()}
    return tuple(sorted(name for name in found if name.startswith(f"{RUN}/")))


def _entry(name: str) -> str:
    """The folder or file directly in the run's folder that a file belongs to."""
    return "/".join(name.split("/")[:2])
