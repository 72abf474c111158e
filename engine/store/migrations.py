"""Steps from one version of the schema to the next; `schema.py` describes the newest.

SQLite's `user_version` holds a database's version. A step is never changed once it was released.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

VERSION = 3
"""The newest."""


def migrate(connection: sa.Connection, found: int) -> None:
    """Bring a database from version `found` to the newest, in the transaction of `connection`."""
    from alembic.migration import MigrationContext  # a page waits for it only where there is something to do
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for version in range(found, VERSION):
        _STEPS[version](operations)
    set_version(connection)


def set_version(connection: sa.Connection) -> None:
    """Say that the database is of the newest version."""
    connection.execute(sa.text(f"PRAGMA user_version = {VERSION}"))


def _to_2(operations: Any) -> None:
    """How far a run is kept, for the page to say where it would go on: after its last finished stage until now."""
    operations.add_column("runs", sa.Column("kept_step", sa.Integer, nullable=False, server_default="0"))
    operations.execute(
        "UPDATE runs SET kept_step = COALESCE((SELECT MAX(last_step) FROM stages "
        "WHERE stages.run_id = runs.run_id AND stages.finished), 0)"
    )


def _to_3(operations: Any) -> None:
    """Sums of every document in a sample, for the error of a curve; what a run's time left begins with."""
    operations.create_table(
        "document_sums",
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("stage", sa.Integer, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("task", sa.String, primary_key=True),
        sa.Column("sums", sa.LargeBinary, nullable=False),
    )
    operations.add_column("runs", sa.Column("steps_measured", sa.Integer, nullable=False, server_default="0"))
    operations.add_column("runs", sa.Column("expected_seconds", sa.Float))


_STEPS: dict[int, Callable[[Any], None]] = {1: _to_2, 2: _to_3}
