"""Steps from one version of the schema to the next; `schema.py` describes the newest.

SQLite's `user_version` holds a database's version. A step is never changed once it was released.
"""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

VERSION = 11
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
    """Add how far a run is kept, for the page to say where it would resume: after its last finished stage until now."""
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


def _to_4(operations: Any) -> None:
    """Experiments of before keep how their pairs were joined: with nothing between prompt and completion, and what is
    beyond a block in blocks of its own."""
    connection = operations.get_bind()
    _add_missing(operations, "experiments", _joined_as_before())
    operations.execute("UPDATE experiments SET joined_as_before = 1")
    for experiment_id, text in connection.execute(
        sa.text("SELECT experiment_id, configuration FROM experiments")
    ).all():
        configuration = json.loads(text)
        configuration["tasks"] = [as_before_4(task) for task in configuration["tasks"]]
        connection.execute(
            sa.text("UPDATE experiments SET configuration = :kept WHERE experiment_id = :id"),
            {"kept": json.dumps(configuration), "id": experiment_id},
        )


def _to_5(operations: Any) -> None:
    """Which experiments are of before 4, for databases that an unreleased version brought to 4 without a word of it:
    theirs count as said."""
    _add_missing(operations, "experiments", _joined_as_before())


def _to_6(operations: Any) -> None:
    """Experiments of before keep their samples: `evaluation_tokens` counted all tasks together, and now counts each."""
    connection = operations.get_bind()
    for experiment_id, text in connection.execute(
        sa.text("SELECT experiment_id, configuration FROM experiments")
    ).all():
        configuration = json.loads(text)
        configuration["training"] = sampled_as_before_6(configuration.get("training", {}), len(configuration["tasks"]))
        connection.execute(
            sa.text("UPDATE experiments SET configuration = :kept WHERE experiment_id = :id"),
            {"kept": json.dumps(configuration), "id": experiment_id},
        )


def sampled_as_before_6(training: dict[str, Any], tasks: int) -> dict[str, Any]:
    """The training settings that give the same samples now, of those that versions before 6 took for all tasks."""
    return training | {"evaluation_tokens": max(1, training.get("evaluation_tokens", 1024) // tasks)}


def _to_7(operations: Any) -> None:
    """Strategies make remarks about how a stage begins."""
    _add_missing(operations, "stages", sa.Column("remarks", sa.JSON))


def _to_8(operations: Any) -> None:
    """Which of a stage's tokens are its tasks' own: the others were drawn beside them. Runs may read a reference text
    beside the tasks."""
    _add_missing(operations, "stages", sa.Column("new_tokens", sa.Integer))
    _add_missing(operations, "runs", sa.Column("reference_facts", sa.JSON))


def _to_9(operations: Any) -> None:
    """Beside the tasks a general text is scored, and held-out questions are answered: experiments of before go on
    without."""
    connection = operations.get_bind()
    _add_missing(operations, "runs", sa.Column("general_facts", sa.JSON))
    for experiment_id, text in connection.execute(
        sa.text("SELECT experiment_id, configuration FROM experiments")
    ).all():
        connection.execute(
            sa.text("UPDATE experiments SET configuration = :kept WHERE experiment_id = :id"),
            {"kept": json.dumps(as_before_9(json.loads(text))), "id": experiment_id},
        )


def as_before_9(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration as versions of before meant one, which neither scored a general text nor answered questions."""
    training = {"answer_questions": 0} | configuration.get("training", {})
    return {"general": "none"} | configuration | {"training": training}


def _to_10(operations: Any) -> None:
    """What cut a run short elsewhere before it went on."""
    _add_missing(operations, "runs", sa.Column("interruptions", sa.JSON))


def _to_11(operations: Any) -> None:
    """Users tag, describe, put away and delete experiments and runs, and these say what they come from; a
    waiting run may be wanted next, and a run may train the tasks in an order of its own. The tables of changes and of
    drafts are made with those that are missing."""
    _add_missing(operations, "runs", sa.Column("task_order", sa.JSON))
    for table, own in (("experiments", "owner"), ("runs", "title")):
        for name in ("notes", own):
            _add_missing(operations, table, sa.Column(name, sa.String, nullable=False, server_default=""))
        for name in ("archived_at", "deleted_at"):
            _add_missing(operations, table, sa.Column(name, sa.Float))
        for name in ("tags", "origin"):
            _add_missing(operations, table, sa.Column(name, sa.JSON))
    _add_missing(operations, "runs", sa.Column("goes_next", sa.Boolean, nullable=False, server_default="0"))


def _joined_as_before() -> sa.Column[bool]:
    return sa.Column("joined_as_before", sa.Boolean, nullable=False, server_default="0")


def _add_missing(operations: Any, table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(operations.get_bind()).get_columns(table)}:
        operations.add_column(table, column)


def as_before_4(task: dict[str, Any]) -> dict[str, Any]:
    """A task's configuration as versions of before meant one that says nothing of how pairs are joined."""
    if "text_column" in task:
        return task
    return {"separator": "", "beyond_block": "continue"} | task


_STEPS: dict[int, Callable[[Any], None]] = {
    1: _to_2, 2: _to_3, 3: _to_4, 4: _to_5, 5: _to_6, 6: _to_7, 7: _to_8, 8: _to_9, 9: _to_10, 10: _to_11,
}  # fmt: skip
