"""The files of a run as they come from a node, put into the data folder once they are whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from engine.cluster.messages import FilePart, FilesWhole, SameFile
from engine.cluster.sending import RUN, SHARED
from engine.common.durable_files import files_of, flush, link_or_copy, writing
from engine.common.errors import TrainingError
from engine.persistence.disk_space import VARIABLE as LIMIT
from engine.persistence.disk_space import check_room
from engine.persistence.shared_results import SharedResults

ARRIVING = "arriving"
"""The folder in a data folder where files wait until they are whole. What a killed process has left there goes."""


class FolderReceiver:
    """Puts what `FolderSender` sends into a run's folder and among the shared results.

    Every method raises StoreUnavailableError while the disk is full or does not answer: called again with the same
    message it does the same.
    """

    def __init__(self, arriving: Path, run_folder: Path, shared_folder: Path) -> None:
        self._arriving, self._run_folder, self._shared_folder = arriving, run_folder, shared_folder
        self._tails: dict[str, int] = {}
        """Files that go on where an earlier part ended, with the length that they had."""

    def take_part(self, part: FilePart) -> None:
        """Keep the bytes of a file aside."""
        path = self._aside(part.name)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if part.offset and not path.exists():
                self._tails[part.name] = part.offset
            start = part.offset - self._tails.get(part.name, 0)
            with path.open("r+b" if path.exists() and start else "wb") as opened:
                opened.seek(start)
                opened.write(part.content)
                opened.truncate()

    def take_same(self, same: SameFile) -> None:
        """Keep a file aside that has the content of another one, which may have arrived already."""
        path, twin = self._aside(same.name), self._aside(same.sent_as)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(twin if twin.exists() else self._place(same.sent_as), path)

    def take_whole(self, whole: FilesWhole) -> None:
        """Put all files that were kept aside where they belong: journals first, then what refers to them. Not before
        the limit of the data folder allows it, where the operator has set one."""
        if os.environ.get(LIMIT):
            check_room(self._shared_folder.parent, 1)  # what arrives lies in the folder already
        with writing(self._run_folder):
            self._run_folder.mkdir(parents=True, exist_ok=True)
            for name, length in list(self._tails.items()):
                self._append(name, length)
                del self._tails[name]
            aside = self._arriving / RUN
            for entry in sorted(aside.iterdir(), key=Path.is_dir) if aside.is_dir() else ():
                self._settle(entry, self._run_folder / entry.name)
            flush(self._run_folder)
            for name in whole.removed:
                if self._run_folder in (place := self._place(name)).parents:  # shared results are not taken back
                    _remove(place)
        if (self._arriving / SHARED).is_dir():
            SharedResults(self._shared_folder).adopt(SharedResults(self._arriving / SHARED))
            shutil.rmtree(self._arriving / SHARED, ignore_errors=True)

    def clear(self) -> None:
        """Forget what is not whole."""
        shutil.rmtree(self._arriving, ignore_errors=True)

    def _append(self, name: str, length: int) -> None:
        place, aside = self._place(name), self._aside(name)
        with place.open("r+b") as opened:
            opened.truncate(length)
            opened.seek(length)
            opened.write(aside.read_bytes())
            opened.flush()
            os.fsync(opened.fileno())
        aside.unlink()

    def _settle(self, entry: Path, place: Path) -> None:
        for file in files_of(entry) if entry.is_dir() else (entry,):
            flush(file)
        if entry.is_dir() and place.is_dir():
            for file in list(files_of(entry)):
                target = place / file.relative_to(entry)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
            shutil.rmtree(entry)
        else:
            entry.replace(place)

    def _aside(self, name: str) -> Path:
        return self._arriving / _checked(name)

    def _place(self, name: str) -> Path:
        top, _, rest = _checked(name).partition("/")
        return (self._run_folder if top == RUN else self._shared_folder) / rest


def _checked(name: str) -> str:
    """A name that leads nowhere else. Raises TrainingError: a node of ours sends no other."""
    parts = name.split("/")
    if len(parts) < 2 or parts[0] not in (RUN, SHARED) or any(part in ("", ".", "..") for part in parts):
        raise TrainingError(f"A node sent a file under the name {name!r}, which is not one of a run's files.")
    return name


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
