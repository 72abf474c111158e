"""What a node tells the machine that asked it to compute a run. A run's messages arrive in the order they were sent."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import Event

PART_BYTES = 4 * 2**20
"""The most bytes of a file in one message: several are on their way at once, and all of them are in memory."""


@dataclass(frozen=True)
class Computing:
    """The run is computed on this node."""

    node: str


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file under the run's folder or the folder of shared results, from `offset` on. The first part of a
    file that is not continued has offset 0."""

    name: str
    """The path from the run's working folder: run/stage-1/model.safetensors, shared/KEY/tensors.safetensors."""
    offset: int
    content: bytes


@dataclass(frozen=True)
class SameFile:
    """A file with the content of one that was sent before in this attempt."""

    name: str
    sent_as: str


@dataclass(frozen=True)
class FilesWhole:
    """All files that were begun are whole now, and what `removed` names in the run's folder is gone."""

    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Events:
    """Events of the run, in order, with the seconds that it has been paused so far. Their paths start from the run's
    folder."""

    events: tuple[Event, ...]
    paused_seconds: float


@dataclass(frozen=True)
class Over:
    """The run has ended, by an error or without one."""

    error: Exception | None = None


Message = Computing | FilePart | SameFile | FilesWhole | Events | Over
