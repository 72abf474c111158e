"""The tasks that a user keeps: plain files in one folder, in an order of the user's own.

FOLDER/tasks/<id>/ holds train.jsonl and test.jsonl (one {"text"}, {"prompt", "completion"} or {"messages"} a line) and
task.json; FOLDER/tasks/order.json lists the ids. Several servers may work on one folder: every change is made
under one file lock, and every file appears whole or not at all.
"""

import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import ValidationError

from engine.common.durable_files import write_text, writing
from engine.common.errors import StoreUnavailableError, TaskError
from engine.common.explanations import explain
from engine.common.paths import made
from engine.common.quoting import clean_name, look_of, slug_of, visible
from engine.tasks.documents import Document, Kind, Task, TaskReading, Turn, kind_of
from engine.tasks.documents.conversations import to_rows
from engine.tasks.spec import TaskSpec

TRAIN, TEST, FACTS, ORDER = "train.jsonl", "test.jsonl", "task.json", "order.json"
MAX_NAME = 80


@dataclass(frozen=True)
class LibraryTask:
    """A kept task: where its files are and the facts to list it by."""

    task_id: str
    name: str
    folder: Path
    created_at: str
    documents: int
    held_out_documents: int
    train_bytes: int
    held_out_bytes: int
    is_pairs: bool
    sources: tuple[str, ...] = ()
    """Names of the files it was made from."""
    notes: tuple[str, ...] = ()
    """What was left out when it was made."""
    is_hidden: bool = False
    """Deleted by the user, but named by an experiment."""
    is_chat: bool = False
    columns: tuple[str, ...] = ()
    """The columns of its tables that were used."""
    unused_columns: tuple[str, ...] = ()
    rendering: dict[str, Any] = field(default_factory=dict)
    """Of pairs and conversations: the fields `separator`, `template` and `learn` of its specification that were chosen
    otherwise than by default."""
    scored_on_training: bool = False
    """Nothing is held out."""

    @property
    def kind(self) -> Kind:
        return "chat" if self.is_chat else "pairs" if self.is_pairs else "text"

    @property
    def reading(self) -> TaskReading:
        """What was read to make it."""
        return TaskReading(self.kind, self.columns, self.unused_columns, self.notes, self.scored_on_training)

    def spec(self) -> TaskSpec:
        """The task as an experiment names it: absolute paths, so that it runs from anywhere. Raises TaskError."""
        by_kind: dict[Kind, dict[str, Any]] = {
            "text": {"text_column": "text"},
            "pairs": {"prompt_column": ("prompt",), "completion_column": "completion"},
            "chat": {"messages_column": "messages"},
        }
        held_out: dict[str, Any] = (
            {"held_out": "train"} if self.scored_on_training else {"test": (str(self.folder / TEST),)}
        )
        return checked_spec(
            name=self.name, train=(str(self.folder / TRAIN),), split="row",
            **by_kind[self.kind], **held_out, **self.rendering,
        )  # fmt: skip


class Library:
    """All kept tasks of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError where its folder can't be made."""
        self.folder = made(folder / "tasks")
        self._lock = FileLock(self.folder / ".lock", timeout=30)

    def tasks(self) -> tuple[LibraryTask, ...]:
        """Every task that is not deleted, in the user's order. Raises StoreError where the folder can't be read."""
        return tuple(task for task in self._all() if not task.is_hidden)

    def get(self, task_id: str) -> LibraryTask:
        """One task, also a hidden one. Raises TaskError where it is gone."""
        task = _read(self.folder / task_id) if re.fullmatch(r"[\w-]+", task_id) else None
        if task is None:
            raise TaskError(f"There is no task '{task_id}' in the library any more; reload the page.")
        return task

    def add(self, task: Task, sources: Sequence[str] = (), rendering: Mapping[str, str] | None = None) -> LibraryTask:
        """Keep a task, last in the order; `rendering` as in `LibraryTask`. Raises TaskError where its name is taken or
        unfit, StoreError where the disk does not take it."""
        kind, reading = kind_of(task.train + task.held_out), task.reading
        with self._changing():
            name = self._free_name(task.name)
            task_id = f"{slug_of(name) or 'task'}-{secrets.token_hex(3)}"
            kept = LibraryTask(
                task_id=task_id,
                name=name,
                folder=self.folder / task_id,
                created_at=datetime.now(UTC).isoformat(timespec="seconds"),
                documents=len(task.train),
                held_out_documents=len(task.held_out),
                train_bytes=text_bytes(task.train),
                held_out_bytes=text_bytes(task.held_out),
                is_pairs=kind == "pairs",
                sources=tuple(map(visible, sources)),
                notes=tuple(map(visible, reading.remarks)),
                is_chat=kind == "chat",
                columns=reading.columns,
                unused_columns=reading.unused_columns,
                rendering=dict(rendering or {}),
                scored_on_training=reading.scored_on_training,
            )
            kept.spec()  # what no experiment could name would be in the way of all other tasks
            unfinished = self.folder / f".{task_id}"
            unfinished.mkdir()
            try:
                _write_documents(unfinished / TRAIN, task.train, kind)
                if not reading.scored_on_training:
                    _write_documents(unfinished / TEST, task.held_out, kind)
                _write_facts(unfinished, kept)
                unfinished.rename(kept.folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            self._write_order([*(t.task_id for t in self._all() if t.task_id != task_id), task_id])
        return kept

    def rename(self, task_id: str, name: str) -> LibraryTask:
        """Give a task another name; experiments made before keep the old one. Raises as `add` does."""
        with self._changing():
            task = replace(self.get(task_id), name=self._free_name(name, besides=task_id))
            _write_facts(task.folder, task)
        return task

    def delete(self, task_id: str, keep_files: bool = True) -> None:
        """Take a task out of the library; `keep_files` only hides it, for experiments that name its files."""
        with self._changing():
            task = self.get(task_id)
            if keep_files:
                _write_facts(task.folder, replace(task, is_hidden=True))
                return
            gone = self.folder / f".{task_id}.deleted"
            task.folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def move(self, task_id: str, new_index: int) -> None:
        """Put a task at a place, counted from 0, among the tasks shown."""
        with self._changing():
            order = [task.task_id for task in self.tasks()]
            if task_id not in order:
                raise TaskError(f"There is no task '{task_id}' in the library any more; reload the page.")
            order.remove(task_id)
            order.insert(max(0, new_index), task_id)
            self._write_order(order)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes the library meanwhile. Raises StoreError."""
        with writing(self.folder), self._lock:
            yield

    def _all(self) -> list[LibraryTask]:
        try:
            folders = [path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
        except OSError as error:
            raise StoreUnavailableError(f"{self.folder} can't be read ({error.strerror}); mend that.") from error
        found = [task for task in map(_read, folders) if task is not None]
        try:
            order = {str(task_id): place for place, task_id in enumerate(json.loads(_text(self.folder / ORDER)))}
        except (OSError, ValueError):
            order = {}
        return sorted(found, key=lambda t: (order.get(t.task_id, len(order)), t.created_at, t.task_id))

    def _free_name(self, name: str, besides: str = "") -> str:
        name = clean_name(name)
        if not name or len(name) > MAX_NAME:
            raise TaskError(f"A task needs a name of 1 to {MAX_NAME} characters; type one.")
        if any(look_of(t.name) == look_of(name) for t in self.tasks() if t.task_id != besides):
            raise TaskError(name_taken(name))
        return name

    def _write_order(self, order: list[str]) -> None:
        write_text(self.folder / ORDER, json.dumps(order, indent=1))


def name_taken(name: str) -> str:
    """The sentence that refuses a name which a task of the library looks to have."""
    return f"There is already a task named '{name}'; choose another name."


def checked_spec(**fields: Any) -> TaskSpec:
    """A task's specification. Raises TaskError that names every field that is unfit."""
    try:
        return TaskSpec(**fields)
    except ValidationError as error:
        sentences = explain(error, lambda place: [] if place else list(TaskSpec.model_fields))
        raise TaskError(f"The task can't be kept as it is: {sentences}") from error


def facts_beside(files: Sequence[str]) -> TaskReading | None:
    """What was read to make a library's task whose training file this is; None for other files."""
    if len(files) != 1 or Path(files[0]).name != TRAIN:
        return None
    found = _read(Path(files[0]).parent)
    return found.reading if found is not None else None


def text_bytes(documents: Sequence[Document]) -> int:
    """UTF-8 bytes of the documents, prompts included."""
    return sum(len((d.prompt + d.text).encode("utf-8", "surrogatepass")) for d in documents)


def _read(folder: Path) -> LibraryTask | None:
    try:
        facts: dict[str, Any] = json.loads(_text(folder / FACTS))
        for name in ("sources", "notes", "columns", "unused_columns"):
            facts[name] = tuple(facts.get(name, ()))
        return LibraryTask(**facts, folder=folder)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # another program's folder, or a task that another server deletes right now


def _write_facts(folder: Path, task: LibraryTask) -> None:
    facts = asdict(task)
    del facts["folder"]  # the data folder may move
    write_text(folder / FACTS, json.dumps(facts, ensure_ascii=False, indent=1))


def _write_documents(path: Path, documents: Sequence[Document], kind: Kind) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for document in documents:
            file.write(json.dumps(_row(document, kind), ensure_ascii=False) + "\n")


def _row(document: Document, kind: Kind) -> dict[str, Any]:
    if kind == "text":
        return {"text": document.text}
    if kind == "pairs":
        return {"prompt": document.prompt, "completion": document.text}
    asked = (Turn("user", document.prompt),) if document.prompt else ()
    return {"messages": to_rows(document.turns or (*asked, Turn("assistant", document.text)))}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
