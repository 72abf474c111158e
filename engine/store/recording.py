"""The changes that events make to the tables.

Steps of many runs go into the tables by one prepared statement a table, as plain SQL and tuples: a driver of hundreds
of runs writes thousands of steps a second, and building statements for each of its runs took most of its time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from engine import events
from engine.events.scores import Score
from engine.store import schema
from engine.store.schema import now, runs

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


def record_event(connection: Connection, run_id: str, event: events.Event, folder: Path) -> None:
    """Write down any event but StepDone; checkpoints are kept relative to `folder`."""
    _RECORDERS[type(event)](connection, run_id, event, folder)


def _run_started(connection: Connection, run_id: str, event: events.RunStarted, folder: Path) -> None:
    values = {
        "status": "running", "reason": "", "steps": event.steps, "stages": event.stages, "stage": event.finished_stages,
        "environment": event.environment, "task_facts": list(event.tasks),
        "reference_facts": event.reference, "general_facts": event.general,
        "started_at": func.coalesce(runs.c.started_at, now()), "finished_at": None,
    }  # fmt: skip
    _change_run(connection, run_id, values)


def _stage_started(connection: Connection, run_id: str, event: events.StageStarted, folder: Path) -> None:
    row = {
        "run_id": run_id, "stage": event.stage, "task": event.task, "first_step": event.first_step,
        "last_step": event.first_step + event.steps - 1, "steps": event.steps, "finished": False,
        "remarks": list(event.remarks), "new_tokens": event.target_tokens,
    }  # fmt: skip
    connection.execute(_replace(schema.stages), [row])
    _change_run(connection, run_id, {"stage": event.stage})


def _evaluated(connection: Connection, run_id: str, event: events.Evaluated, folder: Path) -> None:
    rows = _score_rows(run_id, event, event.sample, False) + _score_rows(run_id, event, event.whole or {}, True)
    if rows:
        connection.execute(_replace(schema.scores), rows)
    of_documents = [
        {"run_id": run_id, "stage": event.stage, "step": event.step, "task": task, "sums": sums.packed()}
        for task, sums in (event.documents or {}).items()
    ]
    if of_documents:
        connection.execute(_replace(schema.document_sums), of_documents)
    place: dict[str, Any] = {"run_id": run_id, "stage": event.stage}
    if event.answers:
        answers = [place | {"task": task, **asdict(sums)} for task, sums in event.answers.items()]
        connection.execute(_replace(schema.answers), answers)
    if event.drift is not None:
        connection.execute(_replace(schema.drift), [place | {"step": event.step, "nats": event.drift}])
    if event.guards:
        outcomes = [place | {"number": number, **asdict(found)} for number, found in enumerate(event.guards)]
        connection.execute(_replace(schema.guard_outcomes), outcomes)


def _score_rows(run_id: str, event: events.Evaluated, scores: dict[str, Score], whole: bool) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run_id, "whole": whole, "stage": event.stage, "step": event.step, "task": task,
            "total_nats": score.total_nats, "target_tokens": score.target_tokens, "text_bytes": score.text_bytes,
            "correct_tokens": score.correct_tokens,
        }
        for task, score in scores.items()
    ]  # fmt: skip


def _phase(connection: Connection, run_id: str, event: events.Phase, folder: Path) -> None:
    _change_run(connection, run_id, {"phase": event.text})


def _waiting(connection: Connection, run_id: str, event: events.Waiting, folder: Path) -> None:
    _change_run(connection, run_id, {"phase": "waiting for the disk" if event.reason else "", "reason": event.reason})


def _stage_finished(connection: Connection, run_id: str, event: events.StageFinished, folder: Path) -> None:
    stage = schema.stages
    own = (stage.c.run_id == run_id) & (stage.c.stage == event.stage)
    values = {
        "last_step": event.last_step, "seconds": event.seconds, "target_tokens": event.target_tokens, "finished": True,
        "checkpoint": _relative(event.checkpoint, folder),
    }  # fmt: skip
    connection.execute(update(stage).where(own).values(**values))
    # a finished stage knows its seconds better than the sum of its steps: evaluation and memory are in it
    finished = select(func.sum(stage.c.seconds)).where(stage.c.run_id == run_id, stage.c.finished)
    values = {"seconds": finished.scalar_subquery(), "stage": event.stage, "kept_step": event.last_step}
    _change_run(connection, run_id, values)


def _point_kept(connection: Connection, run_id: str, event: events.PointKept, folder: Path) -> None:
    _change_run(connection, run_id, {"kept_step": event.step})


def _run_finished(connection: Connection, run_id: str, event: events.RunFinished, folder: Path) -> None:
    _change_run(connection, run_id, {"status": "finished", "reason": "", **_end()})


def _run_stopped(connection: Connection, run_id: str, event: events.RunStopped, folder: Path) -> None:
    if event.checkpoint is not None:
        stage = schema.stages
        own = (stage.c.run_id == run_id) & (stage.c.stage == event.stage)
        connection.execute(update(stage).where(own).values(checkpoint=_relative(event.checkpoint, folder)))
    reason = (
        f"Stopped in stage {event.stage}, after step {event.step}." if event.step else "Stopped before its first step."
    )
    kept = {"kept_step": event.kept_step} if event.kept_step is not None else {}
    _change_run(connection, run_id, {"status": "stopped", "reason": reason, **kept, **_end()})


def _end() -> dict[str, Any]:
    return {"finished_at": now(), "phase": "", "request": None}


def _change_run(connection: Connection, run_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(runs).where(runs.c.run_id == run_id).values(**values))


def _replace(table: Table) -> Any:
    """A row recorded twice is kept once: the later one."""
    return insert(table).prefix_with("OR REPLACE", dialect="sqlite")


def _relative(path: Path, folder: Path) -> str:
    """A data folder that is moved keeps its checkpoints."""
    path = path.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


_RECORDERS: dict[type, Callable[[Connection, str, Any, Path], None]] = {
    events.RunStarted: _run_started,
    events.StageStarted: _stage_started,
    events.Evaluated: _evaluated,
    events.Phase: _phase,
    events.Waiting: _waiting,
    events.PointKept: _point_kept,
    events.StageFinished: _stage_finished,
    events.RunFinished: _run_finished,
    events.RunStopped: _run_stopped,
}


def insert_steps(connection: Connection, batches: Iterable[tuple[str, Sequence[events.StepDone]]]) -> None:
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


def advance_runs(connection: Connection, batches: Iterable[tuple[str, Sequence[events.StepDone]]]) -> None:
    """Bring the counters of runs forward by these steps, of which no run's are empty."""
    _execute(connection, _ADVANCE, [_advanced(run_id, batch) for run_id, batch in batches])


def pace_runs(connection: Connection, at: float, paces: Iterable[tuple[str, float | None, int | None]]) -> None:
    """Note a heartbeat of runs and, where it is known, their seconds per step and over how many steps they were
    measured; over all so far when None."""
    _execute(connection, _PACE, [(at, pace, pace, measured, run_id) for run_id, pace, measured in paces])


def _advanced(run_id: str, batch: Sequence[events.StepDone]) -> Row:
    tokens, seconds, last = sum(e.target_tokens for e in batch), sum(e.seconds for e in batch), batch[-1]
    rate = tokens / seconds if seconds > 0 else None
    new = (1 - _OLD_SHARE) * rate if rate else None
    return last.stage, last.step, tokens, seconds, bool(rate), _OLD_SHARE, new, rate, rate, run_id


def _execute(connection: Connection, statement: str, rows: list[Row]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)
