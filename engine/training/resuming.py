"""Going on inside a stage: what is written at a resume point, and how a run takes it up again."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine import events
from engine.common.errors import StoreUnavailableError
from engine.persistence.journal import Kept
from engine.persistence.resume_points import Point, Position
from engine.strategies.base import Begun, Work
from engine.training.run_state import Progress, RunSetup


def stopped(setup: RunSetup, progress: Progress) -> events.RunStopped:
    """The end of a run that is stopped: kept after its last step, or after the point before where the disk refuses."""
    folder, before_stage = None, progress.step - progress.stage_step
    kept_step = None
    if progress.stage_step:
        with suppress(StoreUnavailableError):
            save_point(setup, progress)
        if progress.last_point is not None:
            stage_step, _, folder = progress.last_point
            kept_step = before_stage + stage_step
    return events.RunStopped(progress.stage, progress.step, folder, kept_step)


def save_point(setup: RunSetup, progress: Progress, work: Begun | None = None) -> Path:
    """Write a resume point, unless the newest stands where the run does; returns its folder.

    Raises StoreError as `durable.writing` does.
    """
    where = progress.stage_step, progress.evaluated
    if work is None and progress.last_point is not None and progress.last_point[:2] == where:
        return progress.last_point[2]
    assert progress.journal is not None
    position = Position(
        setup.stage_keys[progress.stage - 1],
        progress.stage,
        progress.stage_step,
        progress.step,
        progress.evaluated,
        setup.control.active_time() - progress.stage_began,
        progress.target_tokens,
        work.name if work else None,
        work.done if work else 0,
    )
    tensors = work.tensors if work else None
    folder = progress.points.save(progress.base, progress.optimizer, position, progress.journal, tensors)
    progress.last_point = *where, folder
    return folder


def go_on_from(point: Point, progress: Progress, now: float) -> None:
    """Stand where the point was written; weights and optimiser are loaded already."""
    position = point.position
    progress.stage, progress.stage_step, progress.step = position.stage, position.stage_step, position.step
    progress.evaluated, progress.target_tokens = position.evaluated, position.target_tokens
    progress.stage_began, progress.journal = now - position.seconds, point.journal
    progress.last_point = position.stage_step, position.evaluated, point.folder
    if position.work is not None:
        progress.begun_work = Begun(position.work, position.work_done, point.work())


def go_on(progress: Progress) -> Iterator[Kept | events.Phase]:
    """Say again what the stage had said, for those who have dropped it."""
    assert progress.journal is not None
    yield events.Phase(f"going on after step {progress.step}")
    for event in progress.journal.recorded_events():
        yield replace(event, steps_before=progress.stage_step) if isinstance(event, events.StageStarted) else event


class KeptWork(Work):
    """Work that resume points keep."""

    def __init__(self, setup: RunSetup, progress: Progress) -> None:
        self._setup, self._progress = setup, progress

    def begun(self, name: str) -> Begun | None:
        found = self._progress.begun_work
        return found if found is not None and found.name == name else None

    def keep(self, name: str, done: int, tensors: Mapping[str, Tensor]) -> None:
        if self._progress.points.due:
            try:
                save_point(self._setup, self._progress, Begun(name, done, dict(tensors)))
            except StoreUnavailableError:  # the checkpoint that follows waits for the disk
                self._progress.points.postpone()
