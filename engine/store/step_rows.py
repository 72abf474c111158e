"""Steps as rows: those of many runs go into the tables by one prepared statement a table.

Plain SQL and tuples: a driver of hundreds of runs writes thousands of steps a second, and building statements for each
of its runs took most of its time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from engine.events import StepDone

_OLD_SHARE = 0.8
"""The weight of each batch of steps in the running mean of tokens per second."""

_STEPS = """INSERT OR REPLACE INTO steps (run_id, step, stage, target_tokens, seconds, learning_rate, gradient_norm)
VALUES (?, ?, ?, ?, ?, ?, ?)"""
_LOSSES = "INSERT OR REPLACE INTO losses (run_id, step, term, stage, nats_per_token) VALUES (?, ?, ?, ?, ?)"
_ADVANCE = """UPDATE runs SET stage = ?, step = ?, phase = 'training', target_tokens = target_tokens + ?,
seconds = seconds + ?, tokens_per_second = CASE WHEN ? THEN coalesce(tokens_per_second * ? + ?, ?)
ELSE coalesce(?, tokens_per_second) END WHERE run_id = ?"""
_PACE = """UPDATE runs SET heartbeat_at = ?, seconds_per_step = coalesce(?, seconds_per_step),
steps_measured = CASE WHEN ? IS NULL THEN steps_measured ELSE coalesce(?, step) END WHERE run_id = ?"""

Row = tuple[Any, ...]


def insert_steps(connection: Connection, batches: Iterable[tuple[str, Sequence[StepDone]]]) -> None:
    """Keep the steps of runs and the losses of each; a step that is recorded twice is kept once: the later one."""
    steps: list[Row] = []
    losses: list[Row] = []
    for run_id, batch in batches:
        for e in batch:
            step, stage = e.step, e.stage
            steps.append((run_id, step, stage, e.target_tokens, e.seconds, e.learning_rate, e.gradient_norm))
            losses += [(run_id, step, term, stage, value) for term, value in e.terms.items()]
    _execute(connection, _STEPS, steps)
    _execute(connection, _LOSSES, losses)


def advance_runs(connection: Connection, batches: Iterable[tuple[str, Sequence[StepDone]]]) -> None:
    """Bring the counters of runs forward by these steps, of which no run's are empty."""
    _execute(connection, _ADVANCE, [_advanced(run_id, batch) for run_id, batch in batches])


def pace_runs(connection: Connection, at: float, paces: Iterable[tuple[str, float | None, int | None]]) -> None:
    """Note a heartbeat of runs and, where it is known, their seconds per step and over how many steps they were
    measured; over all so far when None."""
    _execute(connection, _PACE, [(at, pace, pace, measured, run_id) for run_id, pace, measured in paces])


def _advanced(run_id: str, batch: Sequence[StepDone]) -> Row:
    tokens, seconds, last = sum(e.target_tokens for e in batch), sum(e.seconds for e in batch), batch[-1]
    rate = tokens / seconds if seconds > 0 else None
    new = (1 - _OLD_SHARE) * rate if rate else None
    return last.stage, last.step, tokens, seconds, bool(rate), _OLD_SHARE, new, rate, rate, run_id


def _execute(connection: Connection, statement: str, rows: list[Row]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)
