"""Bringing a run to the first step of a stage: at its beginning, inside a stage where an interrupted attempt has left a
point, or past it where another run has trained the very same."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from engine import events
from engine.common.durable_files import writing
from engine.common.random_streams import Streams
from engine.models.adapters import call_base_as
from engine.models.loading import LoadedModel
from engine.models.parts import trainable_weights
from engine.persistence.checkpoints import (
    has_state,
    is_shareable,
    load_optimizer,
    load_stage_state,
    load_state,
    moved,
    stage_folder,
    with_weights,
)
from engine.persistence.content_keys import content_key
from engine.persistence.disk_wait import written
from engine.persistence.journal import Kept
from engine.persistence.resume_points import Position, ResumePoints
from engine.strategies.base import StageView, State, Work
from engine.tokens.packing import Rows
from engine.training.evaluation import keep_scores, recorded_with_scores, score_missing
from engine.training.optimizer import carried_over, load_moments, make_optimizer
from engine.training.resuming import WorkInPoints, repeat_events, resume_from
from engine.training.run_state import Progress, RunSetup
from engine.training.stage_data import StageData, stage_data, stage_steps


def steps_of(setup: RunSetup, stage: int) -> int:
    """How many optimiser steps a stage has."""
    settings = setup.stage_settings[stage - 1]
    return stage_steps(_rows_of(setup, stage), settings, setup.training, Streams(setup.seed), stage)


def data_of(setup: RunSetup, stage: int) -> StageData:
    """The rows that a stage trains on, in order."""
    settings = setup.stage_settings[stage - 1]
    return stage_data(_rows_of(setup, stage), settings, setup.training, Streams(setup.seed), stage)


def _rows_of(setup: RunSetup, stage: int) -> list[Rows]:
    """The rows of every task that the stage trains on."""
    return [setup.tasks[task - 1].blocks for task in setup.strategy.plan(stage).tasks]


def begin_run(setup: RunSetup) -> Progress:
    """The model, optimiser and state with which the first stage to run begins, or goes on from a point inside it."""
    done, stages = setup.finished_stages, len(setup.tasks)
    points = ResumePoints(setup.folder, setup.point_seconds)
    point = None
    if done < stages:
        point = points.newest(done + 1, setup.point_keys[done])
    else:  # it was ended between its last stage and its end
        points.clear()
    before = stage_folder(setup.folder, done) if done else None
    optimizer_at = before if setup.training.optimizer_state == "keep" else None
    if point is None:
        base, optimizer = loaded_for(setup, max(done, 1), before, optimizer_at)  # as the stage before has left them
    else:
        base, optimizer = loaded_for(setup, done + 1, point.folder, point.folder)
    position = Position(stage=done, step=sum(steps_of(setup, t) for t in range(1, done + 1)))
    progress = Progress(base, optimizer, setup.strategy.initial_state(), points, position)
    if before is not None:
        progress.state = _state_after(setup, progress, before)
    if point is not None:
        resume_from(point, setup, progress, partial(weights_after, setup, point.position.stage))
    return progress


def loaded_for(
    setup: RunSetup, stage: int, folder: Path | None, optimizer_at: Path | None
) -> tuple[LoadedModel, torch.optim.AdamW]:
    """The model in `folder`, the base model where it is None, as `stage` trains it, and its optimiser, with its state
    from `optimizer_at`."""
    base = setup.load_model(folder)
    setup.strategy.prepare(base.model, stage, Streams(setup.seed))
    optimizer = make_optimizer(base.model, setup.training)
    if optimizer_at is not None:
        load_moments(optimizer, load_optimizer(optimizer_at), base.model)
    return base, optimizer


def weights_after(setup: RunSetup, stage: int, finished: int) -> dict[str, Tensor]:
    """The weights that the stage `finished` has left, 0 for the base model: of those that `stage` trains."""
    base, _ = loaded_for(setup, stage, stage_folder(setup.folder, finished) if finished else None, None)
    return {name: weight.detach() for name, weight in trainable_weights(base.model).items()}


def _state_after(setup: RunSetup, progress: Progress, folder: Path) -> State:
    """The strategy's state after the finished stage whose checkpoint is in `folder`.

    The last stage of a run leaves it as its steps have left it, since nothing came after it: where a task has been
    added since, the stage is ended now, from its checkpoint. One that was not kept is made again.
    """
    done, is_over = setup.finished_stages, setup.finished_stages == len(setup.tasks)
    if not has_state(folder):
        progress.position.is_shareable = is_shareable(folder) and not setup.has_unlike_stages
        return progress.state if is_over else _state_made_again(setup, progress)
    saved = load_state(folder, progress.base.model.device)
    saved = with_weights(saved, partial(weights_after, setup, done))
    progress.position.is_shareable = saved.get("is_shareable", True) and not setup.has_unlike_stages
    state = saved["strategy"] if isinstance(saved["strategy"], State) else State(fixed=saved["strategy"])
    if saved.get("ended", True) or is_over:
        return state
    base, _ = loaded_for(setup, done, folder, None)
    return stage_end(setup, progress, base, done, state)


def _state_made_again(setup: RunSetup, progress: Progress) -> State:
    """The same from the checkpoints of all finished stages: as a run has it that takes each of them over."""
    state = setup.strategy.initial_state()
    for stage in range(1, setup.finished_stages + 1):
        folder = stage_folder(setup.folder, stage)
        base, _ = loaded_for(setup, stage, folder, None)
        state = stage_end(setup, progress, base, stage, _reached(setup, stage, base, state))
    return state


def _reached(setup: RunSetup, stage: int, base: LoadedModel, before: State) -> State:
    """The state after a stage's last step, as its checkpoint says where the steps have changed it."""
    reached = load_stage_state(stage_folder(setup.folder, stage))
    if reached is None:
        return before
    return cast(State, moved(with_weights(reached, partial(weights_after, setup, stage)), base.model.device))


def open_stage(setup: RunSetup, progress: Progress, stage: int) -> Generator[events.Event, None, bool]:
    """Bring the run to the first step of the stage that it must take, and return whether there is none, since the
    stage was taken over from another run. This is the one place where a stage is opened."""
    yield from written(setup.control, setup.check_room)
    if progress.journal is not None and progress.position.stage == stage:
        if progress.position.is_before_first_step:
            yield from _begin_state(setup, progress)
        else:
            yield from repeat_events(progress)
        return False
    key = setup.stage_keys[stage - 1]
    journal = yield from written(setup.control, lambda: progress.points.begin_stage(stage))
    progress.enter(stage, setup.point_keys[stage - 1], journal, setup.control.active_time())
    may_share = setup.shared is not None and progress.position.is_shareable
    recorded = setup.shared.recorded_events(key) if setup.shared is not None and may_share else None
    if recorded is not None and (yield from written(setup.control, partial(_take_files, setup, key, stage))):
        yield from _take_over(setup, progress, recorded)
        return True
    yield from _begin_stage(setup, progress)
    return False


def _begin_stage(setup: RunSetup, progress: Progress) -> Iterator[events.Event]:
    """Stand before the first step: the weights of the strategy's plan, a fresh optimiser unless its state is kept, and
    the state that the strategy begins with."""
    stage, strategy, random = progress.position.stage, setup.strategy, Streams(setup.seed)
    if strategy.plan(stage).start == "base" and stage > 1:
        progress.base, progress.optimizer = loaded_for(setup, stage, None, None)
    else:
        strategy.prepare(progress.base.model, stage, random)
        if setup.training.optimizer_state == "reset":
            progress.optimizer = make_optimizer(progress.base.model, setup.training)
        elif strategy.redefines("prepare"):
            progress.optimizer = carried_over(progress.optimizer, make_optimizer(progress.base.model, setup.training))
    yield from _begin_state(setup, progress)


def _begin_state(setup: RunSetup, progress: Progress) -> Iterator[events.Event]:
    """The state that the strategy begins a stage with, whose weights and optimiser are there. Work that an interrupted
    attempt had begun goes on."""
    stage, strategy = progress.position.stage, setup.strategy
    task, remarks = setup.tasks[stage - 1], list[str]()
    if strategy.redefines("begin_stage") and strategy.acts(stage):
        yield events.Phase(f"preparing to learn {task.name}")
        begin = view_of(setup, progress, progress.base, stage, WorkInPoints(setup, progress), remarks.append)
        state = strategy.begin_stage(begin, progress.state, Streams(setup.seed))
        progress.state = moved(state, progress.base.model.device)
        yield from written(setup.control, lambda: progress.points.keep_fixed(stage, progress.state.fixed))
    progress.kept_work, progress.position.work = None, None
    data = data_of(setup, stage)
    first = progress.position.step + 1
    yield progress.recorded(
        events.StageStarted(stage, task.name, first, data.steps, data.target_tokens, remarks=tuple(remarks))
    )


def _take_over(setup: RunSetup, progress: Progress, recorded: Iterator[Kept]) -> Iterator[events.Event]:
    """Stand after the last step of a stage that another run has trained, whose files are taken already."""
    at = progress.position
    yield events.Phase(f"taking over {setup.tasks[at.stage - 1].name}, which another run has trained")
    folder = stage_folder(setup.folder, at.stage)
    keeps = setup.training.optimizer_state == "keep"
    progress.base, progress.optimizer = loaded_for(setup, at.stage, folder, folder if keeps else None)
    yield from written(setup.control, lambda: _call_base_as_here(folder, progress.base))
    # only runs whose steps make the same state find each other's results
    progress.state = _reached(setup, at.stage, progress.base, progress.state)
    if setup.strategy.makes_state(at.stage):
        yield from written(setup.control, lambda: progress.points.keep_fixed(at.stage, progress.state.fixed))
    steps, step, last = 0, at.step, None
    for event in recorded_with_scores(setup, setup.stage_keys[at.stage - 1], recorded):
        setup.control.check()
        progress.stage_began -= 0.0 if isinstance(event, events.StageStarted) else event.seconds
        if isinstance(event, events.StageStarted):
            event, steps = replace(event, shared=True), event.steps
        elif isinstance(event, events.StepDone):
            step, last = event.step, None
        else:
            last = event if event.whole is not None else None
            if last is not None:
                continue  # it waits for the scores of tasks that it lacks
        yield progress.recorded(event)
    whole = score_missing(setup, progress.base, last, at.stage, step) or last
    assert whole is not None
    yield progress.recorded(whole)
    if setup.shared is not None and whole is not last:
        keep_scores(setup, setup.stage_keys[at.stage - 1], progress.journal_events())
    at.step, at.stage_step, at.evaluated = step, steps, steps


def _call_base_as_here(folder: Path, base: LoadedModel) -> None:
    with writing(folder):
        call_base_as(folder, base.model)


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


def stage_end(setup: RunSetup, progress: Progress, base: LoadedModel, stage: int, state: State) -> State:
    """The state that the strategy keeps of a stage for later ones, from the weights that the stage has reached."""
    end = view_of(setup, progress, base, stage, WorkInPoints(setup, progress))
    return cast(State, moved(setup.strategy.end_stage(end, state, Streams(setup.seed)), base.model.device))


def view_of(
    setup: RunSetup,
    progress: Progress,
    base: LoadedModel,
    stage: int,
    work: Work,
    remark: Callable[[str], None] = lambda text: None,
) -> StageView:
    """What the strategy may look at outside the steps of a stage."""
    key, device = setup.stage_keys[stage - 1], base.model.device

    def cached(parts: tuple[Any, ...], compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        if setup.shared is None or not progress.position.is_shareable:
            return dict(compute())
        found = setup.shared.tensors(content_key(key, parts), compute, of_stage=True)
        return {name: tensor.to(device) for name, tensor in found.items()}

    return StageView(
        stage=stage,
        model=base.model,
        documents=setup.tasks[stage - 1].documents,
        block_size=setup.training.block_size,
        packed=base.packed,
        check=setup.control.check,
        precision=setup.precision,
        cached=cached,
        work=work,
        bos=base.bos,
        eos=base.eos,
        remark=remark,
        starts_from=stage - 1 if setup.strategy.plan(stage).start == "previous" else 0,
        load_weights=partial(weights_after, setup, stage),
    )
