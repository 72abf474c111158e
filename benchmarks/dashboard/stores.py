"""Data folders as years of use would leave them, written through the store itself."""

import math
import random
from collections.abc import Iterator
from pathlib import Path

from engine import events
from engine.events.scores import Score
from engine.experiments.experiment import Experiment, experiment_from
from engine.store import Store

TASKS = ("support", "recipes", "medicine")
_BATCH = 20_000


def experiment(folder: Path, name: str, seeds: int) -> Experiment:
    """Three small tasks on disk, four configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = []
    for task in TASKS:
        path = folder / f"{task}.txt"
        path.write_text("\n\n".join(f"Note {n} of {task}." for n in range(20)), encoding="utf-8")
        tasks.append({"name": task, "train": [str(path)]})
    strategies = ["naive", {"replay": {"replay_weight": [0.5, 1.0]}}, {"ewc": {"ewc_lambda": 30.0}}]
    return experiment_from({"name": name, "tasks": tasks, "strategies": strategies, "seeds": list(range(seeds))})


def begin_long_run(store: Store, folder: Path, steps: int) -> str:
    """One run that trains and has `steps` steps behind it, of as many again; returns its id."""
    store.add_experiment(experiment(folder, "long", 1))
    run_id = store.claim_next()
    assert run_id is not None
    recorded = list(_story(2 * steps, 40, until=steps))
    for start in range(0, len(recorded), _BATCH):
        store.record(run_id, *recorded[start : start + _BATCH], seconds_per_step=0.05)
    return run_id


def step_after(step: int, steps: int) -> events.StepDone:
    """The event of one more step of a long run."""
    return _step(step + 1, steps, random.Random(step))


def add_finished_runs(store: Store, folder: Path, experiments: int, seeds: int, steps: int) -> list[str]:
    """Experiments of four configurations times `seeds` runs, each finished after `steps` steps; returns their ids."""
    ids = []
    for number in range(experiments):
        ids.append(store.add_experiment(experiment(folder, f"study {number}", seeds)))
        while (run_id := store.claim_next(ids[-1])) is not None:
            store.record(run_id, *_story(steps, 4, until=steps), seconds_per_step=0.05)
            store.set_status(run_id, "finished")
    return ids


def _story(steps: int, evaluations: int, until: int) -> Iterator[events.Event]:
    """The events of a run up to step `until`, with `evaluations` looks a stage at the held-out text."""
    draw = random.Random(steps)
    facts = tuple({"name": t, "documents": 18, "fingerprint": t, "target_tokens": 90_000} for t in TASKS)
    yield events.RunStarted(steps, len(TASKS), 0, {"device": "cpu"}, facts)
    yield _evaluated(0, 0, draw, whole=True)
    a_stage = steps // len(TASKS)
    step = 0
    for stage, task in enumerate(TASKS, start=1):
        yield events.StageStarted(stage, task, step + 1, a_stage, 512 * a_stage)
        for inside in range(1, a_stage + 1):
            step += 1
            yield _step(step, steps, draw)
            if step == until and until < steps:
                return
            if inside % max(1, a_stage // evaluations) == 0 and inside < a_stage:
                yield _evaluated(stage, step, draw, whole=False)
        yield _evaluated(stage, step, draw, whole=True)
        yield events.StageFinished(stage, task, step, 0.05 * a_stage, 512 * a_stage, Path(f"stage-{stage}"))


def _step(step: int, steps: int, draw: random.Random) -> events.StepDone:
    new = 2.0 + 2 * math.exp(-4 * step / steps) + draw.gauss(0, 0.3)
    stage = min(len(TASKS), 1 + (step - 1) // max(1, steps // len(TASKS)))
    return events.StepDone(stage, step, {"new": new, "total": new}, 512, 0.05, 5e-4, 1.0)


def _evaluated(stage: int, step: int, draw: random.Random, whole: bool) -> events.Evaluated:
    scores = {}
    for number, task in enumerate(TASKS, start=1):
        nats = (4.0 if stage < number else 2.0 if stage == number else 3.0) + draw.gauss(0, 0.05)
        scores[task] = Score(nats * 4000, 4000, 16_000, 900)
    return events.Evaluated(stage, step, scores, scores if whole else None)
