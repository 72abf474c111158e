"""The task that is added: one of the library, or files that are read as they are recognised."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.common.errors import TaskError
from engine.tasks.columns import Columns
from engine.tasks.documents import Task
from engine.tasks.load import documents_of
from ui.adding import words
from ui.tasks.upload_draft import Reading, task_name

_SHARE = 0.1
"""The share of the documents that is held out."""


@dataclass(frozen=True)
class ReadTask:
    """A task that was read from files, and the names of these."""

    task: Task
    sources: tuple[str, ...]


def read_as_recognised(readings: Sequence[Reading]) -> ReadTask:
    """One task of all files, without a choice being asked for. Raises TaskError where one is needed, or where a file
    can't be used."""
    for reading in readings:
        if reading.error or not reading.usable:
            raise TaskError(reading.error or words.unusable(reading.file.name))
    contents = [content for reading in readings for content in reading.usable]
    sources = tuple(reading.file.name for reading in readings)
    name = sources[0] if len(sources) == 1 else words.these_files(len(sources))
    divided = documents_of(name, contents, None, "auto", Columns(), _SHARE)
    division = divided.division
    return ReadTask(Task(task_name(sources[0]), division.train, division.held_out, divided.reading), sources)
