"""All experiments and all runs that are not in the bin, each as one table, by a number of queries that does not grow
with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, case, func, select

from engine.events.scores import GENERAL
from engine.store import schema
from engine.store.schema import Database, experiments, runs
from engine.store.writing import effective_status

if TYPE_CHECKING:
    import pandas as pd

RUN_COLUMNS = (
    "run_id", "experiment_id", "experiment", "number", "title", "label", "strategy", "seed", "status", "stage",
    "stages", "tasks", "model", "average", "forgetting", "tags", "experiment_tags", "notes", "created_at",
    "finished_at", "seconds", "archived", "owner", "origin",
)  # fmt: skip
EXPERIMENT_COLUMNS = (
    "experiment_id", "name", "status", "runs", "finished", "labels", "seeds", "tasks", "model", "average",
    "forgetting", "tags", "notes", "created_at", "seconds", "archived", "owner", "origin",
)  # fmt: skip
_STATUS_ORDER = ("running", "paused", "queued", "interrupted", "failed", "stopped", "finished")
"""An experiment has the first of these that one of its runs has."""


@dataclass(frozen=True)
class Overview:
    """Both tables, the newest experiment first."""

    runs: pd.DataFrame
    """One row per run. `average` is the mean loss of the final model over the tasks' held-out texts, in nats per token,
    `forgetting` how much worse the earlier tasks are at the end than at their best, mean over them; NaN until the run
    is finished. `archived`: the run itself or its experiment."""
    experiments: pd.DataFrame
    """One row per experiment; `average` and `forgetting` are those of its run with the lowest average, `seconds` the
    sum over its runs, `labels` and `seeds` tuples in the order of its runs."""


def read(store: Database) -> Overview:
    """Both tables as they are now."""
    import pandas as pd

    with store.reading() as connection:
        of_runs = _runs(connection)
        described = _experiments(connection)
    rows = [_run_row(row, described[row["experiment_id"]]) for row in of_runs]
    own: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        own.setdefault(row["experiment_id"], []).append(row)
    whole = [_experiment_row(each, own.get(key, [])) for key, each in described.items()]
    frames = pd.DataFrame(rows, columns=list(RUN_COLUMNS)), pd.DataFrame(whole, columns=list(EXPERIMENT_COLUMNS))
    for frame in frames:
        for name in {"created_at", "finished_at"} & set(frame.columns):
            frame[name] = pd.to_datetime(frame[name].astype(float), unit="s", utc=True)
        for name in ("average", "forgetting"):
            frame[name] = frame[name].astype(float)
    return Overview(*frames)


def outline(store: Database) -> int:
    """A number that is another one once a run or an experiment comes, goes, or changes its status or what is said of
    it; steps of training leave it as it is."""
    columns = (runs.c.run_id, runs.c.status, runs.c.heartbeat_at, runs.c.stage, runs.c.title, runs.c.tags, runs.c.notes,
               runs.c.archived_at)  # fmt: skip
    of_experiment = (experiments.c.experiment_id, experiments.c.name, experiments.c.tags, experiments.c.notes,
                     experiments.c.archived_at)  # fmt: skip
    with store.reading() as connection:
        own = connection.execute(select(*columns).where(runs.c.deleted_at.is_(None))).all()
        whole = connection.execute(select(*of_experiment).where(experiments.c.deleted_at.is_(None))).all()
    alive = [(row.run_id, effective_status(*row[:3]), *map(str, row[3:])) for row in own]
    return hash((*alive, *(tuple(map(str, row)) for row in whole)))


def _runs(connection: Connection) -> list[dict[str, Any]]:
    kept = ("run_id", "experiment_id", "number", "title", "label", "strategy", "seed", "status", "heartbeat_at",
            "stage", "stages", "tags", "notes", "finished_at", "seconds", "archived_at", "origin")  # fmt: skip
    query = (
        select(*(runs.c[name] for name in kept))
        .join_from(runs, experiments)
        .where(runs.c.deleted_at.is_(None))
        .order_by(experiments.c.created_at.desc(), runs.c.experiment_id, runs.c.number)
    )
    summaries = {row.run_id: row for row in connection.execute(_summaries())}
    found = []
    for row in connection.execute(query):
        summary = summaries.get(row.run_id)
        scores = {name: getattr(summary, name, None) for name in ("average", "forgetting")}
        found.append(dict(row._mapping) | scores)
    return found


def _experiments(connection: Connection) -> dict[str, dict[str, Any]]:
    kept = ("experiment_id", "name", "created_at", "model", "tasks", "tags", "notes", "archived_at", "owner", "origin")
    query = select(*(experiments.c[name] for name in kept)).where(experiments.c.deleted_at.is_(None))
    rows = connection.execute(query.order_by(experiments.c.created_at.desc()))
    return {row.experiment_id: dict(row._mapping) for row in rows}


def _summaries() -> Any:
    """Average and forgetting of each finished run (`results.summaries`) from its scores at the ends of stages. The last
    task is none of those that can be forgotten; a score that is not a number leaves the summary empty."""
    scores, last = schema.scores, schema.stages
    nats = scores.c.total_nats / scores.c.target_tokens
    of_tasks = scores.c.whole.is_(True) & (scores.c.task != GENERAL)
    ended = (runs.c.status == "finished") & runs.c.deleted_at.is_(None)
    each = (
        select(
            scores.c.run_id, scores.c.task,
            func.max(case((scores.c.stage == runs.c.stages, nats))).label("final"),
            func.min(case((scores.c.stage.between(1, runs.c.stages - 1), nats))).label("best"),
            func.count(case((scores.c.stage >= 1, nats))).label("known"),
            func.max(runs.c.stages).label("stages"),
        )
        .join_from(runs, scores, scores.c.run_id == runs.c.run_id)
        .where(ended, of_tasks)
        .group_by(scores.c.run_id, scores.c.task)
        .subquery()
    )  # fmt: skip
    whole = func.count() == func.sum(case((each.c.known == each.c.stages, 1), else_=0))
    earlier = case((each.c.task != last.c.task, each.c.final - each.c.best))
    return (
        select(
            each.c.run_id,
            case((whole, func.avg(each.c.final))).label("average"),
            case((whole, func.avg(earlier))).label("forgetting"),
        )
        .join_from(each, last, and_(last.c.run_id == each.c.run_id, last.c.stage == each.c.stages))
        .group_by(each.c.run_id)
    )


def _run_row(row: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "experiment": of["name"], "tasks": of["tasks"], "model": of["model"], "owner": of["owner"],
        "status": effective_status(row["run_id"], row["status"], row["heartbeat_at"]),
        "tags": row["tags"] or [], "experiment_tags": of["tags"] or [], "created_at": of["created_at"],
        "archived": row["archived_at"] is not None or of["archived_at"] is not None,
    }  # fmt: skip


def _experiment_row(of: dict[str, Any], own: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = [row["status"] for row in own]
    scored = [row for row in own if row["average"] is not None]
    best = min(scored, key=lambda row: float(row["average"]), default={"average": None, "forgetting": None})
    return of | {
        "status": next((each for each in _STATUS_ORDER if each in statuses), "finished"),
        "runs": len(own), "finished": statuses.count("finished"),
        "labels": tuple(dict.fromkeys(row["label"] for row in own)),
        "seeds": tuple(dict.fromkeys(row["seed"] for row in own)),
        "average": best["average"], "forgetting": best["forgetting"], "tags": of["tags"] or [],
        "seconds": sum(row["seconds"] for row in own), "archived": of["archived_at"] is not None,
    }  # fmt: skip
