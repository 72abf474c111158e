"""Resuming inside a stage: what is written at a resume point, and how a run takes it up again."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from engine import events
from engine.common.errors import StoreUnavailableError
from engine.persistence.checkpoints import moved, with_weights
from engine.persistence.journal import Kept
from engine.persistence.resume_points import Point
from engine.strategies.base import KeptWork, State, Work
from engine.training.run_state import Progress, RunSetup


def stopped(setup: RunSetup, progress: Progress) -> events.RunStopped:
    """The end of a run that is stopped: kept after its last step, or after the point before where the disk refuses."""
    at, folder, kept_step = progress.position, None, None
    if at.stage_step:
        with suppress(StoreUnavailableError):
            save_point(setup, progress)
        if progress.last_point is not None:
            stage_step, _, folder = progress.last_point
            kept_step = at.step - at.stage_step + stage_step
    return events.RunStopped(at.stage, at.step, folder, kept_step)


def save_point(setup: RunSetup, progress: Progress, work: KeptWork | None = None) -> Path:
    """Write a resume point, unless the newest stands where the run does; returns its folder.

    Raises StoreError as `durable_files.writing` does.
    """
    at = progress.position
    where = at.stage_step, at.evaluated
    if work is None and progress.last_point is not None and progress.last_point[:2] == where:
        return progress.last_point[2]
    assert progress.journal is not None
    position = replace(
        at,
        seconds=setup.control.active_time() - progress.stage_began,
        work=work.name if work else None,
        work_done=work.done if work else 0,
    )
    tensors = work.tensors if work else None
    folder = progress.points.save(
        progress.base, progress.optimizer, position, progress.journal, tensors, progress.state.moving
    )
    progress.last_point = *where, folder
    return folder


def resume_from(
    point: Point, setup: RunSetup, progress: Progress, load_weights: Callable[[int], Mapping[str, Tensor]]
) -> None:
    """Stand where the point was written; weights and optimiser are loaded already. `load_weights` gives those that a
    finished stage has left."""
    at, device = point.position, progress.base.model.device
    progress.position, progress.journal = at, point.journal
    progress.stage_began = setup.control.active_time() - at.seconds
    progress.last_point = at.stage_step, at.evaluated, point.folder
    fixed = progress.state.fixed
    if setup.strategy.redefines("begin_stage") and setup.strategy.acts(at.stage) and not at.is_before_first_step:
        fixed = progress.points.fixed(at.stage)
    moving = progress.state.moving if at.is_before_first_step else point.moving()
    progress.state = moved(with_weights(State(fixed, moving), load_weights), device)
    if at.work is not None:
        progress.kept_work = KeptWork(at.work, at.work_done, point.work())


def repeat_events(progress: Progress) -> Iterator[Kept | events.Phase]:
    """Yield the stage's recorded events once more, for those who have dropped them."""
    assert progress.journal is not None
    at = progress.position
    yield events.Phase(f"going on after step {at.step}")
    for event in progress.journal.recorded_events():
        yield replace(event, steps_before=at.stage_step) if isinstance(event, events.StageStarted) else event


class WorkInPoints(Work):
    """Long work that resume points keep."""

    def __init__(self, setup: RunSetup, progress: Progress) -> None:
        self._setup, self._progress = setup, progress

    def kept(self, name: str) -> KeptWork | None:
        found = self._progress.kept_work
        return found if found is not None and found.name == name else None

    def keep(self, name: str, done: int, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        if self._progress.points.due and self._progress.journal is not None:
            try:
                save_point(self._setup, self._progress, KeptWork(name, done, dict(tensors())))
            except StoreUnavailableError:  # the checkpoint that follows waits for the disk
                self._progress.points.postpone()
