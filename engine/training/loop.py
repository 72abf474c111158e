"""The loop: one run over all tasks, as a generator of events.

It owns stages, evaluation and checkpoints; `opening.py` brings a run to the first step of a stage, `step.py` takes a
step, and the strategy owns its mathematics.
"""

from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from engine import events
from engine.common.durable_files import writing
from engine.common.random_streams import Streams
from engine.events.control import Stopped
from engine.persistence.checkpoints import complete, save_checkpoint, save_stage_state, stage_folder
from engine.persistence.content_keys import content_key
from engine.persistence.disk_wait import written
from engine.strategies.base import State
from engine.training.evaluation import evaluate, keep_scores
from engine.training.opening import begin_run, data_of, loaded_for, open_stage, stage_end, steps_of
from engine.training.resuming import save_point, stopped
from engine.training.run_state import Progress, RunSetup
from engine.training.scored_texts import Scored
from engine.training.stage_data import StageData
from engine.training.step import TakenStep, report, steps_in_flight, take_step


def train(setup: RunSetup) -> Iterator[events.Event]:
    """Run all stages after `finished_stages`, the first from inside where an interrupted attempt has left a point.

    A stop asked for through `setup.control` ends the iteration with `RunStopped`, the weights reached kept. Raises
    TrainingError when the loss stops being finite, StoreError when a checkpoint can't be written. It waits
    while the disk is full, read-only or does not answer.
    """
    started = setup.control.active_time()
    try:
        progress = begin_run(setup)
    except Stopped:  # while a stage that a task was added to is ended
        done = setup.finished_stages
        yield events.RunStopped(done + 1, sum(steps_of(setup, t) for t in range(1, done + 1)), None, None)
        return
    try:
        yield events.RunStarted(
            steps=sum(steps_of(setup, t) for t in _stages(setup)),
            stages=len(setup.tasks),
            finished_stages=setup.finished_stages,
            environment=setup.environment,
            tasks=tuple(task.facts for task in setup.tasks),
            reference=setup.reference.facts if setup.reference is not None else None,
            general=setup.general.facts if setup.general is not None else None,
        )
        if setup.finished_stages == 0:
            yield from _score_base(setup, progress)
        yield from _score_added_tasks(setup, progress)
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


def _run_stage(setup: RunSetup, progress: Progress, stage: int) -> Iterator[events.Event]:
    """A stage from where the run stands to its checkpoint."""
    task, folder = setup.tasks[stage - 1], stage_folder(setup.folder, stage)
    is_taken_over = yield from open_stage(setup, progress, stage)
    if not is_taken_over:
        yield from _train(setup, progress, data_of(setup, stage))
    reached = ended = progress.state
    is_last = stage == len(setup.tasks)
    if not is_last:
        yield events.Phase(f"remembering {task.name}")
        ended = stage_end(setup, progress, progress.base, stage, reached)
    state = {"strategy": ended, "ended": not is_last, "is_shareable": progress.position.is_shareable}
    if is_taken_over:
        yield from written(setup.control, lambda: complete(folder, state))
    else:
        yield from written(setup.control, lambda: _save(setup, progress, folder, state, reached))
    progress.state = ended
    at, seconds = progress.position, setup.control.active_time() - progress.stage_began
    yield events.StageFinished(stage, task.name, at.step, seconds, at.target_tokens, folder)
    progress.leave()


def _train(setup: RunSetup, progress: Progress, data: StageData) -> Iterator[events.Event]:
    """The steps of a stage that are still to be taken, and its evaluations."""
    at = progress.position
    task = setup.tasks[at.stage - 1]
    steps, parts = data.steps, setup.training.evaluations_per_stage
    evaluations = {round(steps * part / parts) for part in range(1, parts + 1)}
    in_flight = deque[TakenStep]()
    limit = steps_in_flight(progress.base.model.device)
    first = at.stage_step
    try:
        for number in range(first, steps + 1):
            if number > first:
                rows = data.rows.select(data.step(number))
                most_rows = progress.most_rows
                in_flight.append(take_step(setup, progress, rows, number, steps, data.peak_rate(number)))
                if progress.most_rows != most_rows:
                    yield events.Phase(f"training {progress.most_rows} rows at a time, since memory ran out")
            evaluates = number in evaluations and at.evaluated < number
            saves = progress.points.due
            while len(in_flight) > (0 if evaluates or saves else limit):
                yield progress.recorded(report(setup, progress, in_flight.popleft()))
            if evaluates:
                if number == steps:
                    setup.strategy.settle(progress.base.model, at.stage, Streams(setup.seed))
                    yield events.Phase(f"scoring after {task.name}")
                scored = evaluate(setup, progress.base, setup.scored, at.stage, at.step, whole=number == steps)
                yield progress.recorded(scored)
                at.evaluated = number
            if saves:
                yield from written(setup.control, lambda: save_point(setup, progress))
                yield events.PointKept(at.step)
    except Stopped:
        for taken in in_flight:
            yield progress.recorded(report(setup, progress, taken))
        raise


def _score_base(setup: RunSetup, progress: Progress) -> Iterator[events.Phase | events.Evaluated]:
    """Row 0 of the score matrix, scored once for all runs that start from the same model."""
    yield events.Phase("scoring the base model")
    key = content_key(setup.content, "base model", setup.scored.keys)
    known = progress.points.row_0(key) or (setup.shared.recorded_events(key) if setup.shared is not None else None)
    scored = next((event for event in known or () if isinstance(event, events.Evaluated)), None)
    if scored is None:
        base = progress.base if progress.position.stage == 0 else setup.load_model(None)
        scored = evaluate(setup, base, setup.scored, stage=0, step=0, whole=True)
        if setup.shared is not None:
            setup.shared.keep(key, [scored])
    progress.points.keep_row_0(key, scored)
    yield scored


def _score_added_tasks(setup: RunSetup, progress: Progress) -> Iterator[events.Phase | events.Evaluated]:
    """Score the tasks that stages were not scored on when they were trained, for a run that has taken these stages: on
    their checkpoints, as after their last steps. Runs that have taken the same stage share what was found."""
    taken = setup.taken
    if taken is None or setup.finished_stages > taken.stages:  # a stage has followed, before which it was done
        return
    added = Scored(tuple(task for task in setup.tasks if task.name not in taken.tasks))
    step, trained = 0, (content_key(setup.content, "base model"), *setup.stage_keys)
    for stage in range(setup.finished_stages + 1):
        step += steps_of(setup, stage) if stage else 0
        where = f"after {setup.tasks[stage - 1].name}" if stage else "on the base model"
        yield events.Phase(f"scoring what was added {where}")
        key = content_key(trained[stage], "added tasks", added.keys)
        shared = setup.shared if progress.position.is_shareable else None
        known = shared.recorded_events(key) if shared is not None else None
        scored = next((event for event in known or () if isinstance(event, events.Evaluated)), None)
        if scored is None:
            folder = stage_folder(setup.folder, stage) if stage else None
            base, _ = loaded_for(setup, max(stage, 1), folder, None)
            scored = evaluate(setup, base, added, stage, step, whole=True)
            if shared is not None:
                shared.keep(key, [scored])
        yield scored


def _save(setup: RunSetup, progress: Progress, folder: Path, state: dict[str, object], reached: State) -> None:
    """Write the stage's checkpoint, and keep for other runs what depends on its training alone. `reached` is the
    strategy's state after the stage's last step."""
    base, keeps = progress.base, setup.training.optimizer_state == "keep"
    optimizer_state = progress.optimizer.state_dict() if keeps else None
    so_far = [task.facts.get("chat_template") for task in setup.tasks[: progress.position.stage]]
    if any(so_far):  # a checkpoint answers by the template that it was last trained with
        base.tokenizer.chat_template = next(template for template in reversed(so_far) if template)
    has_state = setup.strategy.makes_state(progress.position.stage)
    more = partial(save_stage_state, state=reached) if has_state else None
    before = stage_folder(setup.folder, progress.position.stage - 1)
    files = save_checkpoint(folder, base.model, base.tokenizer, state, optimizer_state, more, like=before)
    if setup.shared is not None and progress.journal is not None and progress.position.is_shareable:
        with writing(folder):
            recorded = list(progress.journal.recorded_events())
        steps = [event for event in recorded if not isinstance(event, events.Evaluated)]
        key = setup.stage_keys[progress.position.stage - 1]
        keep_scores(setup, key, recorded)  # first: who takes the stage over finds what was scored inside it
        setup.shared.keep(key, steps, files)
