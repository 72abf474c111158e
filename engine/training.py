"""The loop: one run over all tasks, as a generator of events. It owns stages, evaluation and checkpoints (`step.py`
what happens in a step); the strategy owns its mathematics."""

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine import events
from engine.checkpoints import load_optimizer, load_resumable, save_checkpoint, save_state, stage_folder
from engine.control import Stopped
from engine.optimization import make_optimizer
from engine.packing import Rows
from engine.randomness import Streams
from engine.run_setup import EncodedTask, Progress, RunSetup
from engine.scores import Score
from engine.scoring import score
from engine.sharing import Kept, content_key
from engine.stages import StageData, stage_data, stage_steps
from engine.step import TakenStep, report, steps_in_flight, take_step
from engine.strategies.base import Plan, StageEnd, State


def train(setup: RunSetup) -> Iterator[events.Event]:
    """Run all stages after `finished_stages`. Raises TrainingError when the loss stops being finite.

    A stop asked for through `setup.control` ends the iteration with `RunStopped`, the weights reached kept.
    """
    started = time.monotonic()
    first = setup.finished_stages + 1
    progress = _begin(setup)
    shutil.rmtree(_stopped_folder(setup), ignore_errors=True)
    try:
        yield events.RunStarted(
            steps=sum(_steps_of(setup, t) for t in _stages(setup)),
            stages=len(setup.tasks),
            finished_stages=setup.finished_stages,
            environment=setup.environment,
            tasks=tuple(task.facts for task in setup.tasks),
        )
        if first == 1:
            yield events.Phase("scoring the base model")
            yield _score_base(setup, progress)
        for stage in range(first, len(setup.tasks) + 1):
            yield from _run_stage(setup, progress, stage)
        yield events.RunFinished(time.monotonic() - started - setup.control.paused_seconds)
    except Stopped:
        checkpoint = None
        if progress.stage_step:
            checkpoint = _stopped_folder(setup)
            save_checkpoint(checkpoint, progress.base.model, progress.base.tokenizer)
        yield events.RunStopped(progress.stage, progress.step, checkpoint)


def _stopped_folder(setup: RunSetup) -> Path:
    """The weights that a stop inside a stage left; a resumed run trains that stage again."""
    return setup.folder / "stopped"


def _stages(setup: RunSetup) -> range:
    return range(1, len(setup.tasks) + 1)


def _steps_of(setup: RunSetup, stage: int) -> int:
    return stage_steps(_blocks(setup, stage), setup.training, Streams(setup.seed), stage)


def _blocks(setup: RunSetup, stage: int) -> list[Rows]:
    """Of every task that the stage trains on."""
    return [setup.tasks[task - 1].blocks for task in setup.strategy.plan(stage).tasks]


def _begin(setup: RunSetup) -> Progress:
    """The model and state before the first stage to run."""
    done = setup.finished_stages
    folder = stage_folder(setup.folder, done) if done else None
    base = setup.load_model(folder)
    optimizer = make_optimizer(base.model, setup.training)
    step = sum(_steps_of(setup, t) for t in range(1, done + 1))
    state = setup.strategy.initial_state()
    if folder is not None:
        saved = load_resumable(folder, setup.strategy.state_types)
        state = _to_device(saved["strategy"], base.model.device)
        if setup.training.optimizer_state == "keep":
            optimizer.load_state_dict(load_optimizer(folder))
    return Progress(base, optimizer, state, stage=done, step=step)


def _data(setup: RunSetup, stage: int) -> StageData:
    return stage_data(_blocks(setup, stage), setup.training, Streams(setup.seed), stage)


def _run_stage(setup: RunSetup, progress: Progress, stage: int) -> Iterator[events.Event]:
    started, paused = time.monotonic(), setup.control.paused_seconds
    task, plan, key = setup.tasks[stage - 1], setup.strategy.plan(stage), setup.stage_keys[stage - 1]
    progress.stage, progress.stage_step = stage, 0
    tokens, earlier_seconds = 0, 0.0
    known = setup.shared.happened(key) if setup.shared is not None else None
    happened: list[Kept] = []
    for event in _train(setup, progress, plan) if known is None else _take_over(setup, progress, key, known):
        if isinstance(event, events.StepDone):
            tokens += event.target_tokens
        if known is not None and isinstance(event, events.StepDone | events.Evaluated):
            earlier_seconds += event.seconds
        if isinstance(event, Kept):
            happened.append(event)
        yield event
    if stage < len(setup.tasks):
        yield events.Phase(f"remembering {task.name}")
        progress.state = _remember(setup, progress, task)
    folder = stage_folder(setup.folder, stage)
    if known is not None:
        save_state(folder, {"strategy": progress.state})
    else:
        files = _save(setup, progress, folder)
        if setup.shared is not None:
            setup.shared.keep(key, happened, files)
    seconds = time.monotonic() - started - (setup.control.paused_seconds - paused) + earlier_seconds
    yield events.StageFinished(stage, task.name, progress.step, seconds, tokens, folder)


def _train(setup: RunSetup, progress: Progress, plan: Plan) -> Iterator[events.Event]:
    """All steps of a stage and its evaluations."""
    stage, task, data = progress.stage, setup.tasks[progress.stage - 1], _data(setup, progress.stage)
    _prepare_weights(setup, progress, plan, stage)
    steps = len(data.steps)
    yield events.StageStarted(stage, task.name, progress.step + 1, steps, data.target_tokens)
    evaluations = {
        round(steps * k / setup.training.evaluations_per_stage)
        for k in range(1, setup.training.evaluations_per_stage + 1)
    }
    in_flight = deque[TakenStep]()
    limit = steps_in_flight(progress.base.model.device)
    try:
        for number, rows in enumerate(data.steps, start=1):
            in_flight.append(take_step(setup, progress, data.rows.select(rows), number, steps))
            look = number in evaluations
            while len(in_flight) > (0 if look else limit):
                yield report(setup, progress, in_flight.popleft())
            if look and number < steps:
                yield _evaluate(setup, progress, whole=False)
    except Stopped:
        for taken in in_flight:
            yield report(setup, progress, taken)
        raise
    yield events.Phase(f"scoring after {task.name}")
    yield _evaluate(setup, progress, whole=True)


def _take_over(setup: RunSetup, progress: Progress, key: str, happened: list[Kept]) -> Iterator[events.Event]:
    """The same from another run that has trained the very same stage."""
    assert setup.shared is not None
    yield events.Phase(f"taking over {setup.tasks[progress.stage - 1].name}, which another run has trained")
    folder = stage_folder(setup.folder, progress.stage)
    setup.shared.take_files(key, folder)
    progress.base = setup.load_model(folder)
    progress.optimizer = make_optimizer(progress.base.model, setup.training)
    if setup.training.optimizer_state == "keep":
        progress.optimizer.load_state_dict(load_optimizer(folder))
    for event in happened:
        setup.control.check()
        if isinstance(event, events.StageStarted):
            event = replace(event, shared=True)
        if isinstance(event, events.StepDone):
            progress.step, progress.stage_step = event.step, progress.stage_step + 1
        yield event


def _score_base(setup: RunSetup, progress: Progress) -> events.Evaluated:
    """Row 0 of the score matrix, scored once for all runs that start from the same model."""
    drawn = any(
        task.facts.get("scored_target_tokens") != task.facts.get("held_out_target_tokens") for task in setup.tasks
    )
    key = content_key(setup.content, "base model", setup.seed if drawn else None)
    known = setup.shared.happened(key) if setup.shared is not None else None
    if known is not None and isinstance(known[0], events.Evaluated):
        return known[0]
    scored = _evaluate(setup, progress, whole=True)
    if setup.shared is not None:
        setup.shared.keep(key, [scored])
    return scored


def _prepare_weights(setup: RunSetup, progress: Progress, plan: Plan, stage: int) -> None:
    """The base model's weights if the plan wants them; a fresh optimiser unless its state is kept."""
    from_base = plan.start == "base" and stage > 1
    if from_base:
        progress.base = setup.load_model(None)
    if from_base or setup.training.optimizer_state == "reset":
        progress.optimizer = make_optimizer(progress.base.model, setup.training)


def _evaluate(setup: RunSetup, progress: Progress, whole: bool) -> events.Evaluated:
    """Score every task's held-out sample, and all of it where `whole`."""
    started, paused = time.monotonic(), setup.control.paused_seconds
    samples: dict[str, Score] = {}
    wholes: dict[str, Score] = {}
    score_blocks = partial(score, progress.base.model, check=setup.control.check, packed=progress.base.packed)
    for task in setup.tasks:
        held_out = task.held_out
        samples[task.name] = score_blocks(held_out.sample, held_out.sample_bytes)
        if whole:
            wholes[task.name] = samples[task.name]
            if held_out.rest is not None:
                wholes[task.name] += score_blocks(held_out.rest, held_out.rest_bytes)
    seconds = time.monotonic() - started - (setup.control.paused_seconds - paused)
    return events.Evaluated(progress.stage, progress.step, samples, wholes if whole else None, seconds)


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
    )
    return setup.strategy.end_stage(end, progress.state, Streams(setup.seed))


def _save(setup: RunSetup, progress: Progress, folder: Path) -> list[Path]:
    """Write the stage's checkpoint; returns the files that depend on its training alone."""
    base, keeps = progress.base, setup.training.optimizer_state == "keep"
    optimizer_state = progress.optimizer.state_dict() if keeps else None
    return save_checkpoint(folder, base.model, base.tokenizer, {"strategy": progress.state}, optimizer_state)


def _to_device(value: Any, device: torch.device) -> Any:
    """Move a restored state's weight-shaped tensors beside the model; token ids stay where packing happens."""
    if device.type == "cpu":
        return value
    if isinstance(value, tuple):
        return tuple(_to_device(item, device) for item in value)
    moved = getattr(value, "to", None)
    return moved(device) if callable(moved) else value
