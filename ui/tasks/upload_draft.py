"""The task that is being put together: files stay until it is kept or they are removed, whatever goes wrong."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.common.errors import TaskError
from engine.common.quoting import clean_name
from engine.tasks.columns import Columns
from engine.tasks.files.contents import (
    Content,
    ReadingOptions,
    Table,
    TableReading,
    Text,
    Unreadable,
    doubtful_encoding,
)
from engine.tasks.library import MAX_NAME
from engine.tasks.readers import read_source
from ui.tasks import form_words

_DRAFT, _READ = "tasks_draft", "tasks_read"


@dataclass
class DraftFile:
    """An uploaded file, kept apart from the upload widget, which forgets it when the page changes."""

    file_id: str
    name: str
    data: bytes
    encoding: str | None = None
    header: bool | None = None
    delimiter: str | None = None
    quotes: bool | None = None
    front_matter: bool = False
    offered: tuple[TableReading, ...] = ()
    """The readings of a table to choose from, the recognised one first."""

    @property
    def options(self) -> ReadingOptions:
        return ReadingOptions(self.encoding, self.header, self.delimiter, self.quotes, self.front_matter)

    def choose_encoding(self, encoding: str | None) -> None:
        """Read it in this encoding; a choice among the tables that another one gave is void."""
        self.encoding, self.offered = encoding, ()
        self.header = self.delimiter = self.quotes = None

    def choose_reading(self, reading: TableReading) -> None:
        self.header, self.delimiter, self.quotes = reading.header, reading.delimiter, reading.quotes


@dataclass
class UploadDraft:
    """The files uploaded for the next task. `number` gives the widgets of each new draft fresh keys."""

    number: int = 0
    uploads: int = 0
    train: list[DraftFile] = field(default_factory=list)
    held_out: list[DraftFile] = field(default_factory=list)

    def key(self, name: str) -> str:
        return f"tasks_{name}_{self.number}"

    def side(self, side: str) -> list[DraftFile]:
        return self.train if side == "train" else self.held_out


@dataclass(frozen=True)
class Reading:
    """A file with what reading it gave: contents, or the sentence that says why there are none."""

    file: DraftFile
    contents: tuple[Content, ...]
    error: str = ""

    @property
    def usable(self) -> tuple[Text | Table, ...]:
        return tuple(content for content in self.contents if not isinstance(content, Unreadable))


def current() -> UploadDraft:
    """The draft of this browser session."""
    draft = st.session_state.get(_DRAFT)
    if draft is None:
        draft = st.session_state[_DRAFT] = UploadDraft()
    return draft


def start_afresh() -> None:
    """Forget the draft, with everything entered for it."""
    st.session_state[_DRAFT] = UploadDraft(number=current().number + 1)
    st.session_state.pop(_READ, None)


def take_uploads(uploader_key: str, side: str) -> None:
    """Move what the upload widget holds into the draft. A file of the same name and content is taken once."""
    draft = current()
    files = draft.side(side)
    for found in uploaded_files(st.session_state.get(uploader_key) or ()):
        if all(file.file_id != found.file_id for file in files):
            files.append(found)
    draft.uploads += 1  # a new key empties the widget


def uploaded_files(uploads: Iterable[UploadedFile]) -> list[DraftFile]:
    """What an upload widget holds, each file by its name and content."""
    found = []
    for each in uploads:
        data = each.getvalue()
        file_id = hashlib.sha256(each.name.encode("utf-8", "surrogatepass") + b"\0" + data).hexdigest()[:16]
        found.append(DraftFile(file_id, each.name, data))
    return found


def remove(side: str, file_id: str) -> None:
    """Take one file out of the draft."""
    files = current().side(side)
    files[:] = [file for file in files if file.file_id != file_id]


def task_name(file: str) -> str:
    """The name that a task takes from its file; empty where nothing of the file's can be one."""
    return clean_name(PurePath(file).name.split(".")[0].replace("_", " ")[:MAX_NAME])


def read(files: Iterable[DraftFile]) -> list[Reading]:
    """Read files, each once for each way of reading; a bad one gives its error and leaves the others alone."""
    known: dict[tuple[str, ReadingOptions], Reading] = st.session_state.setdefault(_READ, {})
    readings = []
    for file in files:
        key = (file.file_id, file.options)
        if key not in known:
            try:
                known[key] = Reading(file, tuple(read_source(file.name, file.data, file.options)))
            except TaskError as error:
                known[key] = Reading(file, (), str(error))
        readings.append(known[key])
    return readings


def tables(readings: Iterable[Reading]) -> list[Table]:
    return [content for reading in readings for content in reading.usable if isinstance(content, Table)]


def texts(readings: Iterable[Reading]) -> list[Text]:
    return [content for reading in readings for content in reading.usable if isinstance(content, Text)]


def column_names(found: Sequence[Table]) -> list[str]:
    """The columns of all tables, in order of appearance."""
    return list(dict.fromkeys(str(name) for table in found for name in table.frame.columns))


def shown_with_files(*sides: Iterable[Content] | None) -> set[str]:
    """The remarks that stand with the files themselves."""
    found = set()
    for content in (content for side in sides for content in side or ()):
        if isinstance(content, Unreadable):
            found.add(content.reason)
            continue
        found |= {f"{content.name}: {remark}" for remark in content.remarks}
        if not content.certain:
            found.add(doubtful_encoding(content))
    return found


def without_columns(found: Iterable[Table], columns: Columns) -> dict[str, str]:
    """Names of tables that lack a chosen column, with the sentence to show."""
    return {
        table.name: form_words.no_column(table.name, missing[0], list(map(str, table.frame.columns)))
        for table in found
        if (missing := [name for name in columns.names if name not in set(map(str, table.frame.columns))])
    }
