"""Scores out of the store: the score matrix, and curves that say what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, or_, select

from engine import strategies
from engine.events.scores import ANSWER_SCORES, GENERAL, SCORE_NAMES, AnswerSums, DocumentSums, Score
from engine.store import schema
from engine.store.paired import Point, change, inside, of_whole
from engine.store.schema import Database, experiments, runs
from engine.strategies.base import Strategy

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ("run_id", "stage", "step", "task", "task_index")
_SIZES = ("target_tokens", "text_bytes")
_ENDS = tuple(f"{name}_{end}" for name in SCORE_NAMES for end in ("low", "high"))
_SCORED = (*_PLACE, *SCORE_NAMES, *_SIZES)
_CURVE = (*_SCORED, *_ENDS, "worse_by", "worse_by_half", "is_worse")


@dataclass
class _RunScores:
    """The scores of one run; looks by (stage, task)."""

    tasks: Sequence[str]
    """As scores call them, in the order of training."""
    strategy: Strategy
    evaluations: int
    """Planned in every stage."""
    whole: dict[tuple[int, str], Score] = field(default_factory=dict)
    """The scores at the ends of stages."""
    ends: dict[int, int] = field(default_factory=dict)
    """The step at the end of each stage."""
    samples: dict[tuple[int, int, str], Score] = field(default_factory=dict)
    """The sums by stage, step and task."""
    documents: dict[tuple[int, int, str], DocumentSums] = field(default_factory=dict)


class CurveReader(Database):
    """The part of the reading half that knows of scores."""

    def general(self, run_ids: Sequence[str] | str, after_step: int = -1) -> pd.DataFrame:
        """The general text's scores at every look, as `curve` gives a task's: `worse_by` is how much worse its sample
        is than the base model's. `is_whole` says that all of it was scored; `drift` is KL(base ‖ now), nats a token."""
        import pandas as pd

        found = self._curve(run_ids, after_step, schema.scores.c.task == GENERAL)
        ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        with self._reading() as connection:
            moved = connection.execute(select(schema.drift).where(schema.drift.c.run_id.in_(ids))).all()
            ends = _scores(connection, ids, schema.scores.c.whole.is_(True) & (schema.scores.c.task == GENERAL))
        drift = {(row.run_id, row.stage, row.step): row.nats for row in moved}
        whole = {(row.run_id, row.stage, row.step) for row in ends}
        looks = list(zip(found["run_id"], found["stage"], found["step"], strict=True))
        found["drift"] = pd.Series([drift.get(look) for look in looks], index=found.index, dtype=float)
        found["is_whole"] = pd.Series([look in whole for look in looks], index=found.index, dtype=bool)
        return found.drop(columns=["task", "task_index"])

    def curve(self, run_ids: Sequence[str] | str, after_step: int = -1) -> pd.DataFrame:
        """Every task's scores at every look: one row per run, step and task.

        At the ends of stages they are the matrix's own, inside a stage they lead from the matrix's row before it
        (`paired.inside`); `X_low` and `X_high` are the ends of the score's 95% interval, NaN for runs that kept no sums
        of documents. Once a task's own stage is over, `worse_by` is how much worse its sample is than it was then, in
        nats per token, `worse_by_half` half the interval of that, and `is_worse` whether it is beyond it: never where
        the stage trains on the task again.
        """
        return self._curve(run_ids, after_step, schema.scores.c.task != GENERAL)

    def _curve(self, run_ids: Sequence[str] | str, after_step: int, of: ColumnElement[bool]) -> pd.DataFrame:
        import pandas as pd

        ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        newer = schema.scores.c.step > after_step
        with self._reading() as connection:
            sampled = schema.scores.c.run_id.in_(ids) & schema.scores.c.whole.is_(False) & of
            if connection.execute(select(schema.scores.c.run_id).where(sampled, newer).limit(1)).first() is None:
                return pd.DataFrame([], columns=list(_CURVE))
            found = _read(connection, ids, after_step, of)
        rows = [
            _curve_row(run_id, run, stage, step, task)
            for run_id, run in found.items()
            for stage, step, task in run.samples
            if step > after_step
        ]
        rows.sort(key=_order)
        return pd.DataFrame(rows, columns=list(_CURVE))

    def matrix(self, run_ids: Sequence[str] | str) -> pd.DataFrame:
        """The score matrix, long: one row per run, stage (0 is the base model) and task, on all held-out text.
        `task_index` is a task's place in the run's own order, from 1: that of the stage that trains it.

        `questions` counts the held-out questions that were answered, 0 of plain text, whose `exact_match` and
        `token_f1` are NaN.
        """
        import pandas as pd

        ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        with self._reading() as connection:
            tasks = {run.run_id: _tasks(run) for run in _runs(connection, ids)}
            of_tasks = schema.scores.c.whole.is_(True) & (schema.scores.c.task != GENERAL)
            found = _scores(connection, ids, of_tasks)
            marks = connection.execute(select(schema.answers).where(schema.answers.c.run_id.in_(ids))).all()
        answers = {(row.run_id, row.stage, row.task): AnswerSums(row.questions, row.exact, row.f1) for row in marks}
        rows = [
            {name: getattr(row, name) for name in ("run_id", "stage", "step", "task", *_SIZES)}
            | _score(row).as_dict()
            | _answer_scores(answers.get((row.run_id, row.stage, row.task)))
            | {"task_index": tasks[row.run_id].index(row.task) + 1}
            for row in found
        ]
        rows.sort(key=_order)
        return pd.DataFrame(rows, columns=[*_SCORED, *ANSWER_SCORES, "questions"])

    def recorded_counts(self, run_id: str) -> tuple[int, ...]:
        """How many scores, drifts, answers, guard outcomes and stages a run has recorded, how many of its stages are
        finished and how many have a checkpoint: while these are the same, so are all of them."""
        stages = schema.stages
        counts = [
            select(column).where(table.c.run_id == run_id).scalar_subquery()
            for table, column in (
                *((table, func.count()) for table in (schema.scores, schema.drift, schema.answers)),
                (schema.guard_outcomes, func.count()),
                (stages, func.count()),
                (stages, func.count().filter(stages.c.finished)),
                (stages, func.count(stages.c.checkpoint)),
            )
        ]
        with self._reading() as connection:
            return tuple(connection.execute(select(*counts)).one())

    def guard_outcomes(self, run_ids: Sequence[str] | str) -> pd.DataFrame:
        """What became of each guard: one row per run, stage (0 is the base model) and guard, by its number in the
        experiment's order from 0, with whether it `holds` and what was `found`."""
        import pandas as pd

        ids = [run_ids] if isinstance(run_ids, str) else list(run_ids)
        table = schema.guard_outcomes
        query = select(table).where(table.c.run_id.in_(ids)).order_by(table.c.run_id, table.c.stage, table.c.number)
        with self._reading() as connection:
            return pd.DataFrame(connection.execute(query).all(), columns=[column.name for column in table.columns])


def _answer_scores(sums: AnswerSums | None) -> dict[str, float]:
    if sums is None:
        return dict.fromkeys(ANSWER_SCORES, math.nan) | {"questions": 0}
    return sums.as_dict() | {"questions": sums.questions}


def _read(connection: Connection, ids: list[str], after_step: int, of: ColumnElement[bool]) -> dict[str, _RunScores]:
    """Read what the looks after a step rest on: themselves, and those at the ends of stages."""
    found = {
        row.run_id: _RunScores(
            _tasks(row),
            strategies.build(row.strategy, row.parameters),
            int(row.configuration["training"].get("evaluations_per_stage", 1)),
        )
        for row in _runs(connection, ids)
    }
    for row in _scores(connection, ids, schema.scores.c.whole.is_(True) & of):
        found[row.run_id].whole[row.stage, row.task] = _score(row)
        found[row.run_id].ends[row.stage] = row.step

    def wanted(table: Table) -> ColumnElement[bool]:
        at_ends = [
            and_(table.c.run_id == run_id, table.c.step.in_(set(run.ends.values()))) for run_id, run in found.items()
        ]
        return or_(table.c.step > after_step, *at_ends)

    for row in _scores(connection, ids, schema.scores.c.whole.is_(False) & of & wanted(schema.scores)):
        found[row.run_id].samples[row.stage, row.step, row.task] = _score(row)
    table = schema.document_sums
    for row in connection.execute(select(table).where(table.c.run_id.in_(ids), wanted(table))):
        found[row.run_id].documents[row.stage, row.step, row.task] = DocumentSums.unpacked(row.sums)
    return found


def _runs(connection: Connection, ids: list[str]) -> Sequence[Any]:
    of_experiment = (experiments.c.tasks, experiments.c.configuration)
    columns = (runs.c.run_id, runs.c.strategy, runs.c.parameters, runs.c.task_order, *of_experiment)
    return connection.execute(select(*columns).join_from(runs, experiments).where(runs.c.run_id.in_(ids))).all()


def _tasks(row: Row[Any]) -> list[str]:
    """The tasks of a run as scores call them, in the order of training."""
    if row.task_order is None:
        return list(row.tasks)
    names = [task["name"] for task in row.configuration["tasks"]]
    return [row.tasks[names.index(name)] for name in row.task_order]


def _scores(connection: Connection, ids: list[str], which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    return connection.execute(select(schema.scores).where(schema.scores.c.run_id.in_(ids), which)).all()


def _score(row: Row[Any]) -> Score:
    nats = math.nan if row.total_nats is None else row.total_nats
    return Score(nats, row.target_tokens, row.text_bytes, row.correct_tokens)


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["run_id"], row["stage"], row["step"], row["task_index"]


def _curve_row(run_id: str, run: _RunScores, stage: int, step: int, task: str) -> dict[str, Any]:
    sample, index = run.samples[stage, step, task], 0 if task == GENERAL else run.tasks.index(task) + 1
    place = dict(zip(_PLACE, (run_id, stage, step, task, index), strict=True))
    point = _point(run, stage, step, task)
    ends = {f"{name}_low": value for name, value in point.lows.items()}
    ends |= {f"{name}_high": value for name, value in point.highs.items()}
    sizes = {name: getattr(sample, name) for name in _SIZES}
    return place | point.values | sizes | ends | _since_own_stage(run, stage, step, task, index)


def _point(run: _RunScores, stage: int, step: int, task: str) -> Point:
    if run.ends.get(stage) == step:
        return of_whole(run.whole[stage, task])
    before = (stage - 1, run.ends.get(stage - 1, -1), task)
    if before not in run.samples:  # the row that the curve would lead from is not there
        unknown = dict.fromkeys(SCORE_NAMES, math.nan)
        return Point(unknown, unknown, unknown)
    now = stage, step, task
    return inside(
        run.whole[stage - 1, task], run.samples[before], run.samples[now],
        run.documents.get(before), run.documents.get(now),
    )  # fmt: skip


def _since_own_stage(run: _RunScores, stage: int, step: int, task: str, index: int) -> dict[str, Any]:
    own = run.documents.get((index, run.ends.get(index, -1), task))
    now = run.documents.get((stage, step, task))
    if stage <= index or own is None or now is None or index in run.strategy.plan(stage).tasks:
        return {"worse_by": math.nan, "worse_by_half": math.nan, "is_worse": False}
    found = change(own, now, run.evaluations * (len(run.tasks) - index))
    return {"worse_by": found.value, "worse_by_half": found.half_width, "is_worse": found.is_worse}
