"""The loop: one run over all tasks, as a generator of events. It owns stages, evaluation and checkpoints (`step.py`
what happens in a step); the strategy owns its mathematics."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import events
from engine.common.durable_files import writing
from engine.common.random_streams import Streams
from engine.events.control import Stopped
from engine.events.scores import DocumentSums, Score
from engine.models.loading import BaseModel
from engine.persistence.checkpoints import complete, load_optimizer, load_resumable, save_checkpoint, stage_folder
from engine.persistence.content_keys import content_key
from engine.persistence.disk_wait import written
from engine.persistence.journal import Kept
from engine.persistence.resume_points import ResumePoints
from engine.strategies.base import Plan, StageEnd, State
from engine.tokens.packing import Rows
from engine.training.optimizer import make_optimizer
from engine.training.resuming import KeptWork, go_on, go_on_from, save_point, stopped
from engine.training.run_state import EncodedTask, Progress, RunSetup
from engine.training.scoring import score, score_sample
from engine.training.stage_data import StageData, stage_data, stage_steps
from engine.training.step import TakenStep, report, steps_in_flight, take_step


def train(setup: RunSetup) -> Iterator[events.Event]:
    """Run all stages after `finished_stages`, the first from inside where an interrupted attempt has left a point.

    A stop asked for through `setup.control` ends the iteration with `RunStopped`, the weights reached kept. Raises
    TrainingError when the loss stops being finite, StoreError when a checkpoint can't be written. It waits
    while the disk is full, read-only or does not answer.
    """
    started = setup.control.active_time()
    progress = _begin(setup)
    try:
        yield events.RunStarted(
            steps=sum(_steps_of(setup, t) for t in _stages(setup)),
            stages=len(setup.tasks),
            finished_stages=setup.finished_stages,
            environment=setup.environment,
            tasks=tuple(task.facts for task in setup.tasks),
        )
        if setup.finished_stages == 0:
            yield from _score_base(setup, progress)
        for stage in _stages(setup)[setup.finished_stages :]:
            yield from _run_stage(setup, progress, stage)
        yield events.RunFinished(setup.control.active_time() - started)
    except Stopped:
        yield stopped(setup, progress)
    finally:
        if progress.journal is not None:
            progress.journal.close()


def _stages(setup: RunSetup) -> range:
    return range(1, len(setup.tasks) + 1)


def _steps_of(setup: RunSetup, stage: int) -> int:
    settings = setup.stage_settings[stage - 1]
    return stage_steps(_blocks(setup, stage), settings, setup.training, Streams(setup.seed), stage)


def _blocks(setup: RunSetup, stage: int) -> list[Rows]:
    """Of every task that the stage trains on."""
    return [setup.tasks[task - 1].blocks for task in setup.strategy.plan(stage).tasks]


def _begin(setup: RunSetup) -> Progress:
    """The model and state that the first stage to run begins with, or goes on with."""
    done = setup.finished_stages
    points = ResumePoints(setup.folder, setup.point_seconds)
    point = None
    if done < len(setup.tasks):
        point = points.newest(done + 1, setup.stage_keys[done])
    else:  # it was ended between its last stage and its end
        points.clear()
    before = stage_folder(setup.folder, done) if done else None
    base = setup.load_model(before if point is None else point.folder)
    optimizer = make_optimizer(base.model, setup.training)
    state = setup.strategy.initial_state()
    if before is not None:
        saved = load_resumable(before, setup.strategy.state_types)
        state = _to_device(saved["strategy"], base.model.device)
    if point is not None:
        optimizer.load_state_dict(load_optimizer(point.folder))
    elif before is not None and setup.training.optimizer_state == "keep":
        optimizer.load_state_dict(load_optimizer(before))
    steps = sum(_steps_of(setup, t) for t in range(1, done + 1))
    progress = Progress(base, optimizer, state, points, steps, stage=done)
    if point is not None:
        go_on_from(point, progress, setup.control.active_time())
    return progress


def _data(setup: RunSetup, stage: int) -> StageData:
    settings = setup.stage_settings[stage - 1]
    return stage_data(_blocks(setup, stage), settings, setup.training, Streams(setup.seed), stage)


def _run_stage(setup: RunSetup, progress: Progress, stage: int) -> Iterator[events.Event]:
    task, key = setup.tasks[stage - 1], setup.stage_keys[stage - 1]
    yield from written(setup.control, setup.check_room)
    known = None
    if progress.stage == stage:
        yield from go_on(progress)
        yield from _train(setup, progress, _data(setup, stage))
    else:
        journal = yield from written(setup.control, lambda: progress.points.begin_stage(stage))
        progress.enter(stage, journal, setup.control.active_time())
        known = setup.shared.happened(key) if setup.shared is not None else None
        if known is not None and not (yield from written(setup.control, partial(_take_files, setup, key, stage))):
            known = None
        yield from _enter(setup, progress) if known is None else _take_over(setup, progress, known)
    if stage < len(setup.tasks):
        yield events.Phase(f"remembering {task.name}")
        progress.state = _remember(setup, progress, task)
    folder = stage_folder(setup.folder, stage)
    if known is not None:
        yield from written(setup.control, lambda: complete(folder, {"strategy": progress.state}))
    else:
        yield from written(setup.control, lambda: _save(setup, progress, folder))
    seconds = setup.control.active_time() - progress.stage_began
    yield events.StageFinished(stage, task.name, progress.step, seconds, progress.target_tokens, folder)
    progress.leave()


def _enter(setup: RunSetup, progress: Progress) -> Iterator[events.Event]:
    """A stage from its first step."""
    stage, task, data = progress.stage, setup.tasks[progress.stage - 1], _data(setup, progress.stage)
    _prepare_weights(setup, progress, setup.strategy.plan(stage), stage)
    yield progress.said(events.StageStarted(stage, task.name, progress.step + 1, data.steps, data.target_tokens))
    yield from _train(setup, progress, data)


def _train(setup: RunSetup, progress: Progress, data: StageData) -> Iterator[events.Event]:
    """The steps of a stage that are still to be taken, and its evaluations."""
    task = setup.tasks[progress.stage - 1]
    steps, parts = data.steps, setup.training.evaluations_per_stage
    evaluations = {round(steps * part / parts) for part in range(1, parts + 1)}
    in_flight = deque[TakenStep]()
    limit = steps_in_flight(progress.base.model.device)
    first = progress.stage_step
    try:
        for number in range(first, steps + 1):
            if number > first:
                rows = data.rows.select(data.step(number))
                most_rows = progress.most_rows
                in_flight.append(take_step(setup, progress, rows, number, steps, data.peak_rate(number)))
                if progress.most_rows != most_rows:
                    yield events.Phase(f"training {progress.most_rows} rows at a time, since memory ran out")
            evaluates = number in evaluations and progress.evaluated < number
            saves = progress.points.due
            while len(in_flight) > (0 if evaluates or saves else limit):
                yield progress.said(report(setup, progress, in_flight.popleft()))
            if evaluates:
                if number == steps:
                    yield events.Phase(f"scoring after {task.name}")
                scored = _evaluate(setup, progress.base, progress.stage, progress.step, whole=number == steps)
                yield progress.said(scored)
                progress.evaluated = number
            if saves:
                yield from written(setup.control, lambda: save_point(setup, progress))
                yield events.PointKept(progress.step)
    except Stopped:
        for taken in in_flight:
            yield progress.said(report(setup, progress, taken))
        raise


def _take_over(setup: RunSetup, progress: Progress, happened: Iterator[Kept]) -> Iterator[events.Event]:
    """The same from another run that has trained the very same stage, whose files are taken."""
    yield events.Phase(f"taking over {setup.tasks[progress.stage - 1].name}, which another run has trained")
    folder = stage_folder(setup.folder, progress.stage)
    progress.base = setup.load_model(folder)
    progress.optimizer = make_optimizer(progress.base.model, setup.training)
    if setup.training.optimizer_state == "keep":
        progress.optimizer.load_state_dict(load_optimizer(folder))
    steps, last = 0, progress.step
    for event in happened:
        setup.control.check()
        if isinstance(event, events.StageStarted):
            event, steps = replace(event, shared=True), event.steps
        else:
            last = event.step
            progress.stage_began -= event.seconds
        yield progress.said(event)
    progress.step, progress.stage_step, progress.evaluated = last, steps, steps


def _take_files(setup: RunSetup, key: str, stage: int) -> bool:
    """Take a stage's files from another run; False where they are gone by now."""
    assert setup.shared is not None
    folder = stage_folder(setup.folder, stage)
    with writing(folder):
        try:
            setup.shared.take_files(key, folder)
        except FileNotFoundError:
            if setup.shared.has(key):
                raise
            return False
    return True


def _score_base(setup: RunSetup, progress: Progress) -> Iterator[events.Phase | events.Evaluated]:
    """Row 0 of the score matrix, scored once for all runs that start from the same model."""
    yield events.Phase("scoring the base model")
    drawn = any(
        task.facts.get("scored_target_tokens") != task.facts.get("held_out_target_tokens") for task in setup.tasks
    )
    key = content_key(setup.content, "base model", setup.seed if drawn else None)
    known = progress.points.row_0(key) or (setup.shared.happened(key) if setup.shared is not None else None)
    scored = next((event for event in known or () if isinstance(event, events.Evaluated)), None)
    if scored is None:
        base = progress.base if progress.stage == 0 else setup.load_model(None)
        scored = _evaluate(setup, base, stage=0, step=0, whole=True)
        if setup.shared is not None:
            setup.shared.keep(key, [scored])
    progress.points.keep_row_0(key, scored)
    yield scored


def _prepare_weights(setup: RunSetup, progress: Progress, plan: Plan, stage: int) -> None:
    """The base model's weights if the plan wants them; a fresh optimiser unless its state is kept."""
    from_base = plan.start == "base" and stage > 1
    if from_base:
        progress.base = setup.load_model(None)
    if from_base or setup.training.optimizer_state == "reset":
        progress.optimizer = make_optimizer(progress.base.model, setup.training)


def _evaluate(setup: RunSetup, base: BaseModel, stage: int, step: int, whole: bool) -> events.Evaluated:
    """Score every task's held-out sample, and all of it where `whole`."""
    started = setup.control.active_time()
    samples: dict[str, Score] = {}
    wholes: dict[str, Score] = {}
    documents: dict[str, DocumentSums] = {}
    check, packed = setup.control.check, base.packed
    for task in setup.tasks:
        held_out = task.held_out
        samples[task.name], documents[task.name] = score_sample(base.model, held_out, check, packed)
        if whole:
            wholes[task.name] = samples[task.name]
            if held_out.rest is not None:
                wholes[task.name] += score(base.model, held_out.rest, held_out.rest_bytes, check, packed)
    seconds = setup.control.active_time() - started
    return events.Evaluated(stage, step, samples, wholes if whole else None, seconds, documents)


def _remember(setup: RunSetup, progress: Progress, task: EncodedTask) -> State:
    """What the strategy keeps of the stage for later ones."""
    base, key, device = progress.base, setup.stage_keys[progress.stage - 1], progress.base.model.device

    def once(parts: tuple[Any, ...], compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        if setup.shared is None:
            return dict(compute())
        found = setup.shared.tensors(content_key(key, parts), compute)
        return {name: tensor.to(device) for name, tensor in found.items()}

    end = StageEnd(
        progress.stage,
        base.model,
        task.documents,
        setup.training.block_size,
        base.packed,
        setup.control.check,
        setup.precision,
        once,
        KeptWork(setup, progress),
    )
    return setup.strategy.end_stage(end, progress.state, Streams(setup.seed))


def _save(setup: RunSetup, progress: Progress, folder: Path) -> None:
    """Write the stage's checkpoint, and keep for other runs what depends on its training alone."""
    base, keeps = progress.base, setup.training.optimizer_state == "keep"
    optimizer_state = progress.optimizer.state_dict() if keeps else None
    files = save_checkpoint(folder, base.model, base.tokenizer, {"strategy": progress.state}, optimizer_state)
    # Passes of other sizes round otherwise: what follows a lack of memory is nobody else's result.
    if setup.shared is not None and progress.journal is not None and progress.most_rows is None:
        with writing(folder):
            said = progress.journal.said()
        setup.shared.keep(setup.stage_keys[progress.stage - 1], said, files)


def _to_device(value: Any, device: torch.device) -> Any:
    """Move a restored state's weight-shaped tensors beside the model; token ids stay where packing happens."""
    if device.type == "cpu":
        return value
    if isinstance(value, tuple):
        return tuple(_to_device(item, device) for item in value)
    moved = getattr(value, "to", None)
    return moved(device) if callable(moved) else value
