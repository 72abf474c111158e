"""The events of a stage, line by line in a file: repeated when the run resumes inside the stage, or by another run."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from engine import events
from engine.events.scores import AnswerSums, DocumentSums, GuardOutcome, Score

_PENDING_BYTES = 2**16
Kept = events.StageStarted | events.StepDone | events.Evaluated


@dataclass(frozen=True)
class Mark:
    """The length of a journal when it was marked, and the SHA-256 of it so far."""

    length: int
    """The length in bytes."""
    sum: str


class Journal:
    """The journal of one stage in `file`, empty to begin with. What a full disk does not take waits in memory."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._open = file.open("wb", buffering=0)
        self._pending = bytearray()
        self._digest = hashlib.sha256()

    @classmethod
    def continued(cls, file: Path, mark: Mark) -> "Journal | None":
        """The journal as it was at `mark`; None where the file is not what it was then."""
        try:
            with file.open("rb") as opened:
                content = hashlib.sha256()
                left = mark.length
                while left and (part := opened.read(min(left, 2**20))):
                    content.update(part)
                    left -= len(part)
        except OSError:
            return None
        if left or content.hexdigest() != mark.sum:
            return None
        journal = cls.__new__(cls)
        journal.file, journal._digest, journal._open = file, content, file.open("r+b", buffering=0)
        journal._pending = bytearray()
        journal._open.truncate(mark.length)
        journal._open.seek(mark.length)
        return journal

    def add(self, event: Kept) -> None:
        """Take one event down; it is on the disk at the next `mark`."""
        line = to_line(event).encode()
        self._digest.update(line)
        self._pending += line
        if len(self._pending) >= _PENDING_BYTES:
            with contextlib.suppress(OSError):  # `mark` says it, where it is waited for
                self._write()

    def mark(self) -> Mark:
        """Return where it stands, once the disk holds it. Raises OSError."""
        self._write()
        os.fsync(self._open.fileno())
        return Mark(self._open.tell(), self._digest.hexdigest())

    def recorded_events(self) -> Iterator[Kept]:
        """Every event so far. Raises OSError."""
        self._write()
        return read(self.file)

    def _write(self) -> None:
        while self._pending:
            written = self._open.write(self._pending)
            del self._pending[:written]

    def close(self) -> None:
        self._open.close()


def write(file: Path, recorded: Iterable[Kept]) -> None:
    """A file of events. Raises OSError."""
    with file.open("w", encoding="utf-8") as opened:
        opened.writelines(map(to_line, recorded))


def read(file: Path) -> Iterator[Kept]:
    """The events of a file, one after the other; it may be removed meanwhile. Raises OSError."""
    return _events(file.open(encoding="utf-8"))


def _events(opened: TextIO) -> Iterator[Kept]:
    with opened:
        yield from map(from_line, opened)


def to_line(event: Kept) -> str:
    return json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n"


def from_line(line: str) -> Kept:
    plain: dict[str, Any] = json.loads(line)
    kind = {"StageStarted": events.StageStarted, "StepDone": events.StepDone, "Evaluated": events.Evaluated}
    values = {name: value for name, value in plain.items() if name != "event"}
    if plain["event"] == "Evaluated":
        values["sample"] = {task: Score(**score) for task, score in values["sample"].items()}
        whole = values["whole"]
        values["whole"] = None if whole is None else {task: Score(**score) for task, score in whole.items()}
        if (documents := values.get("documents")) is not None:
            values["documents"] = {task: _document_sums(sums) for task, sums in documents.items()}
        if (answers := values.get("answers")) is not None:
            values["answers"] = {task: AnswerSums(**sums) for task, sums in answers.items()}
        if (guards := values.get("guards")) is not None:
            values["guards"] = tuple(GuardOutcome(**outcome) for outcome in guards)
    if "remarks" in values:
        values["remarks"] = tuple(values["remarks"])
    event: Kept = kind[plain["event"]](**values)
    return event


def _document_sums(plain: dict[str, Any]) -> DocumentSums:
    columns: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    return DocumentSums(**columns)
