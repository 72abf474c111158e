"""SHIP or HOLD: whether a run's final model keeps what must be kept, in one answer for scripts and people."""

import math
from collections.abc import Sequence
from typing import Any

from engine.common.errors import ConfigError, StoreError
from engine.common.quoting import listed, quoted
from engine.guards.guard import OF_ANSWERS, Guard
from engine.insight.measures.guard_checks import check_guards
from engine.insight.requests import Source
from engine.insight.sources import find, last_stage, named
from engine.insight.telling import Tell, Told
from engine.results.comparison import matrices
from engine.results.guard_histories import GuardHistory, guard_histories
from engine.results.kept_most import kept_most
from engine.store import Store

SHIP, HOLD = "SHIP", "HOLD"


def verify(
    store: Store, run_id: str, guards: Sequence[Guard] | None, most_forgetting: float | None, tell: Tell
) -> dict[str, Any]:
    """The decision on a run by `guards`, or by those that it was checked on while it trained where they are None, as
    plain data: `decision` SHIP or HOLD, `reasons` in sentences, the guards by stage, and what each
    task forgot in bits per byte, None where that is no number.

    A run is held where it is not finished, where a guard does not hold after its last stage, or where a task ended more
    than `most_forgetting` bits per byte worse than it was after any earlier stage (but the base model). Raises
    PalimpsestError where a checkpoint is gone or a guard can't be checked.
    """
    experiment_id, run = store.run_spec(run_id)
    experiment = store.experiment(experiment_id).in_order(run.order)
    tasks = [task.name for task in experiment.tasks]
    if guards is None and not experiment.guards and most_forgetting is None:
        raise ConfigError(
            "Say what must hold: --guards FILE, --forgetting LIMIT, or both; or give the experiment guards of its own."
        )
    status = str(store.runs(run_ids=run_id)["status"].item())
    finished = last_stage(store, run_id)
    if not finished:
        raise StoreError(f"{run.label} has not finished a stage yet, so there is no model to judge.")
    find(store, Source(run_id, finished))  # what may be shipped must be there
    reasons = [] if status == "finished" else [f"the run is {status} after stage {finished} of {len(tasks)}"]
    if guards is None:
        own = store.guard_outcomes(run_id)
        histories = guard_histories(own[own["stage"] <= finished], experiment.guards)
    else:
        histories = _histories(store, run_id, guards, finished, tell) if guards else []
    reasons += [_failed(history, tasks) for history in histories if not history.holds]
    forgot = _forgotten(store, run_id, tasks)
    if most_forgetting is not None:
        reasons += [
            f"{task} forgot {value:.3f} bits per byte, more than {most_forgetting:g}"
            for task, value in forgot.items()
            if not value <= most_forgetting  # what is no number is too much
        ]
    return {
        "decision": HOLD if reasons else SHIP,
        "run": run.label, "run_id": run_id, "seed": run.seed, "stages": finished,
        "reasons": reasons,
        "guards": [history.plain for history in histories],
        "forgetting": {task: value if math.isfinite(value) else None for task, value in forgot.items()},
    }  # fmt: skip


def _histories(store: Store, run_id: str, guards: Sequence[Guard], stages: int, tell: Tell) -> list[GuardHistory]:
    by_stage = []
    for stage in range(stages + 1):
        told = Told(
            f"checking the guards {f'after stage {stage}' if stage else 'on the base model'}", stage, stages + 1
        )
        tell(told)
        base = find(store, Source(run_id, stage)).load()
        by_stage.append(check_guards(base, guards, lambda told=told: tell(told)))  # type: ignore[misc]
    return [
        GuardHistory(guard, tuple(outcomes[number] for outcomes in by_stage)) for number, guard in enumerate(guards)
    ]


def _failed(history: GuardHistory, tasks: Sequence[str]) -> str:
    """Why a guard holds the run, in words."""
    title, found = quoted(history.guard.title), history.outcomes[-1].found
    if history.guard.kind in OF_ANSWERS:
        found = quoted(" ".join(found.split()))
    stage = history.lost_at
    if stage is None:
        return f"the guard {title} does not hold, and held at no stage: {found}"
    return f"the guard {title} holds no more since stage {stage} ({tasks[stage - 1]}): {found}"


def _forgotten(store: Store, run_id: str, tasks: Sequence[str]) -> dict[str, float]:
    """What each earlier task ended worse by than it had been at best after a stage, bits per byte."""
    rows = matrices(store.matrix([run_id]), "bits_per_byte").get(run_id, [])
    if len(rows) < 3:
        return {}
    past = range(min(len(rows) - 2, len(tasks) - 1))
    return {tasks[task]: rows[-1][task] - min(row[task] for row in rows[1:-1]) for task in past}


def choose(store: Store, experiment_id: str, wanted: str | None) -> str:
    """The run of that name (`named`), or the one that kept most. Raises StoreError where there is none or several."""
    runs = store.runs(experiment_id)
    if wanted is None:
        found = kept_most(store, experiment_id)
        if found is None:
            raise StoreError("No run is complete yet; name one with --run, or wait until one is finished.")
        return found
    own = named(runs, wanted)
    if own.empty:
        raise StoreError(f"{quoted(wanted)} is none of the runs; there are {listed(sorted(set(runs['label'])))}.")
    if len(own) > 1:
        raise StoreError(
            f"{quoted(wanted)} has {len(own)} runs with other seeds; name one by its id, of "
            f"{listed(own['run_id'].tolist())}."
        )
    return str(own["run_id"].item())
