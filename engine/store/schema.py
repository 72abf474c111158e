"""The tables, and the connection to them."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, LargeBinary, String, Table
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from engine.common.errors import StoreError, StoreUnavailableError
from engine.common.paths import VARIABLE, made
from engine.store import migrations

STALE_AFTER_SECONDS = 10.0
"""A run that says 'running' or 'paused' without a heartbeat for so long reads as 'interrupted'."""
RUNS = "runs"
"""The folder in a store for the checkpoints of each run."""
SHARED = "shared"
"""The folder in a store for results that runs have in common."""
MOST_ATTEMPTS = 20
"""A run that was begun so often is not begun again without being asked for."""
ACTIVE = ("running", "paused")
ENDED = ("finished", "stopped", "failed")
RESUMABLE = ("interrupted", "stopped", "failed")
GONE = "The program that ran it ended before the run did; resume it to go on from the last point that it kept."

LOCKED_SECONDS = 30.0
"""The time that a transaction waits for another program's."""
_COMPLAINTS = {
    "full": "the disk is full; free some space",
    "locked": "another program holds it; close what else has it open",
    "readonly": "it can't be written; check the permissions of the file and its folder",
    "unable to open": "it can't be opened; check the permissions of the folder and the space on its disk",
    "disk I/O": "the disk does not answer as it should; check it and its space",
}
_metadata = sa.MetaData()


def _run_key(**options: Any) -> Column[str]:
    return Column("run_id", String, ForeignKey("runs.run_id", ondelete="CASCADE"), **options)


def _kept_by_people() -> tuple[Column[Any], ...]:
    """What users say of an experiment or a run, where it comes from, and whether it is put away."""
    return (
        Column("tags", JSON),  # strings, in the order in which they were given
        Column("notes", String, nullable=False, default="", server_default=""),
        Column("archived_at", Float),
        Column("deleted_at", Float),  # it is in the bin
        Column("origin", JSON),  # an `Origin` as plain data; NULL where it comes from nothing
    )


experiments = Table(
    "experiments", _metadata,
    Column("experiment_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("model", String, nullable=False),
    Column("tasks", JSON, nullable=False),
    Column("configuration", JSON, nullable=False),
    # made before it could be said how pairs are joined
    Column("joined_as_before", Boolean, nullable=False, default=False, server_default="0"),
    *_kept_by_people(),
    Column("owner", String, nullable=False, default="", server_default=""),  # a visitor; "" where nobody logs in
)  # fmt: skip

runs = Table(
    "runs", _metadata,
    Column("run_id", String, primary_key=True),
    Column(
        "experiment_id", String, ForeignKey("experiments.experiment_id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("number", Integer, nullable=False),  # within the experiment, from 0
    Column("label", String, nullable=False),
    Column("strategy", String, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("task_order", JSON(none_as_null=True)),  # the names of the tasks; NULL as the experiment has them
    Column("status", String, nullable=False, index=True),
    Column("reason", String, nullable=False, default=""),
    Column("phase", String, nullable=False, default=""),
    Column("stage", Integer, nullable=False, default=0),
    Column("stages", Integer, nullable=False, default=0),
    Column("step", Integer, nullable=False, default=0),
    Column("steps", Integer, nullable=False, default=0),
    Column("target_tokens", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("tokens_per_second", Float),
    Column("seconds_per_step", Float),  # measured over the current attempt, evaluation included
    Column("steps_measured", Integer, nullable=False, default=0, server_default="0"),  # that it was measured over
    Column("expected_seconds", Float),  # the estimate before the start
    Column("queued_at", Float),
    Column("goes_next", Boolean, nullable=False, default=False, server_default="0"),  # a user wants it to begin first
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("heartbeat_at", Float),
    Column("attempt", Integer, nullable=False, default=0),  # how often it was started
    Column("kept_step", Integer, nullable=False, default=0, server_default="0"),  # after which it would go on
    Column("request", String),
    Column("environment", JSON),
    Column("task_facts", JSON),
    Column("reference_facts", JSON),  # of runs that read the reference text
    Column("general_facts", JSON),  # of runs that are scored on a general text
    Column("interruptions", JSON),  # sentences on what cut it short before it went on by itself, in order
    *_kept_by_people(),
    Column("title", String, nullable=False, default="", server_default=""),  # a name that a user gave it
)  # fmt: skip

stages = Table(
    "stages", _metadata,
    _run_key(primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("task", String, nullable=False),
    Column("first_step", Integer, nullable=False),
    Column("last_step", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("target_tokens", Integer, nullable=False, default=0),
    Column("checkpoint", String),
    Column("finished", Boolean, nullable=False, default=False),
    Column("remarks", JSON),  # sentences of the strategy about how the stage begins
    Column("new_tokens", Integer),  # the target tokens of its own tasks; NULL in runs of versions before 8
)  # fmt: skip

steps = Table(
    "steps", _metadata,
    _run_key(primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("stage", Integer, nullable=False),
    Column("target_tokens", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("learning_rate", Float),
    Column("gradient_norm", Float),
    sqlite_with_rowid=False,
)  # fmt: skip

losses = Table(
    "losses", _metadata,
    _run_key(primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("term", String, primary_key=True),
    Column("stage", Integer, nullable=False),
    Column("nats_per_token", Float),
    sqlite_with_rowid=False,
)  # fmt: skip

scores = Table(
    "scores", _metadata,
    _run_key(primary_key=True),
    Column("whole", Boolean, primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("task", String, primary_key=True),
    Column("total_nats", Float),
    Column("target_tokens", Integer, nullable=False),
    Column("text_bytes", Integer, nullable=False),
    Column("correct_tokens", Integer, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip

document_sums = Table(
    "document_sums", _metadata,
    _run_key(primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("task", String, primary_key=True),
    Column("sums", LargeBinary, nullable=False),  # `scores.DocumentSums.packed`
)  # fmt: skip

answers = Table(
    "answers", _metadata,
    _run_key(primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("task", String, primary_key=True),
    Column("questions", Integer, nullable=False),
    Column("exact", Integer, nullable=False),  # how many are exactly right
    Column("f1", Float, nullable=False),  # the sum
)  # fmt: skip

drift = Table(
    "drift", _metadata,
    _run_key(primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("nats", Float),
)  # fmt: skip

guard_outcomes = Table(
    "guard_outcomes", _metadata,
    _run_key(primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),  # of the guard, in the experiment's order from 0
    Column("holds", Boolean, nullable=False),
    Column("found", String, nullable=False),
)  # fmt: skip

changes = Table(
    "changes", _metadata,
    Column("change_id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("visitor", String, nullable=False),  # "" where nobody logs in
    Column("action", String, nullable=False),  # "deleted", "emptied", "restored", ...
    Column("kind", String, nullable=False),  # of what was changed: "experiment", "run", "task"
    Column("about", String, nullable=False),  # its id
    Column("name", String, nullable=False),  # as it was called then
)  # fmt: skip

drafts = Table(
    "drafts", _metadata,
    Column("visitor", String, primary_key=True),
    Column("page", String, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("changed_at", Float, nullable=False),
)  # fmt: skip

OF_STAGES = (stages, steps, losses, scores, document_sums, answers, drift, guard_outcomes)
"""Tables whose rows go where a run goes back to an earlier stage."""

sa.Index("runs_in_queue", runs.c.status, runs.c.queued_at, runs.c.number)


class Database:
    """The connection to the tables under `folder`, which is made on demand."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError when the file is not a database of ours, or can't be written."""
        self.folder = folder.resolve()
        self._file = self.folder / "palimpsest.db"
        made(self.folder)
        self._engine = sa.create_engine(f"sqlite:///{self._file}", connect_args={"timeout": LOCKED_SECONDS})
        sa.event.listen(self._engine, "connect", self._refuse_read_only)
        sa.event.listen(self._engine, "connect", _on_connect)
        sa.event.listen(self._engine, "begin", _on_begin)
        self._onlooker: Any = None
        self._looking = threading.Lock()
        with self._writing() as connection:
            self._check_version(connection)
            _metadata.create_all(connection)

    def run_folder(self, run_id: str) -> Path:
        """The folder in which a run keeps its checkpoints."""
        return self.folder / RUNS / run_id

    @property
    def shared_folder(self) -> Path:
        """Where results lie that several runs have in common."""
        return self.folder / SHARED

    def log_path(self, run_id: str) -> Path:
        """The file to which a run's log, tracebacks included, is written."""
        return self.folder / "logs" / f"{run_id}.log"

    def version(self) -> int:
        """A number that is another one after every change to the database, whichever process made it. Takes
        microseconds: it looks at a counter in shared memory."""
        with self._looking, self._in_words():
            if self._onlooker is None:  # a connection that never writes: one's own changes don't count for SQLite
                self._onlooker = self._engine.raw_connection()
            return int(self._onlooker.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Give every connection back."""
        with self._looking:
            if self._onlooker is not None:
                self._onlooker.close()
                self._onlooker = None
        self._engine.dispose()

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A connection that reads, for rooms above this one."""
        return self._reading()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """One transaction that may write, for rooms above this one. Raises StoreError."""
        return self._writing()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write: it waits for the others at its start, never half-way. Raises StoreError."""
        with self._in_words(), self._engine.execution_options(palimpsest_write=True).begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._in_words(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Raise SQLite's complaints as StoreError with what to do."""
        try:
            yield
        except (OperationalError, sqlite3.OperationalError) as error:
            complaint = str(getattr(error, "orig", error))
            what = next((words for part, words in _COMPLAINTS.items() if part in complaint), None)
            if what is None:
                raise
            raise StoreUnavailableError(f"{self._file}: {what} ({complaint}).") from error
        except IntegrityError:
            raise  # of a run that was deleted, which the caller knows how to say
        except (DatabaseError, sqlite3.DatabaseError) as error:
            raise StoreError(
                f"{self._file}: this is damaged, or not a database of Palimpsest; put a copy back, or move it away to "
                f"start anew ({getattr(error, 'orig', error)})."
            ) from error

    def _refuse_read_only(self, _connection: Any, _record: Any) -> None:
        """SQLite would read, and all connections of this process stay read-only for as long as one of them is open."""
        for file in (self._file, *(self._file.with_name(self._file.name + end) for end in ("-wal", "-shm"))):
            # looked at twice: another process makes and removes the two beside the database
            if all(not os.access(file, os.W_OK) and file.exists() for _ in range(2)):
                raise StoreUnavailableError(f"{file}: {_COMPLAINTS['readonly']}.")

    def _check_version(self, connection: sa.Connection) -> None:
        found = connection.execute(sa.text("PRAGMA user_version")).scalar_one()
        if found == 0:
            migrations.set_version(connection)
        elif found < migrations.VERSION:
            migrations.migrate(connection, found)
        elif found > migrations.VERSION:
            raise StoreError(
                f"{self.folder}: was written by a newer version of Palimpsest; use that one, or set {VARIABLE} to "
                "another folder. Nothing in it was changed."
            )


def now() -> float:
    """Seconds since 1970, the clock of every time in the store."""
    return time.time()


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_on_begin` says, not where the driver guesses
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("palimpsest_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
