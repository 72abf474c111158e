"""Filling places with queued runs: which run goes where, and what is asked of those that are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from engine.common.errors import PalimpsestError, PlacesError, StoreUnavailableError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.execution.places import Place, Places
from engine.running.schedule import StagedRun, next_run, stage_names, until_wanted
from engine.store import Store
from engine.store.writing import RunInPlay

if TYPE_CHECKING:
    from engine.events import Event
    from engine.execution.worker_process import Execute
    from engine.experiments.experiment import Experiment


@dataclass(frozen=True, eq=False)
class ClaimedRun:
    """A run that was taken out of the queue, and the place that was taken for it."""

    run_id: str
    place: Place
    control: Control


class Dispatcher:
    """Claims runs as far as there are places for them, and drives each until it ends.

    One thread claims; each run may be driven in a thread of its own, and everything else called from any thread.
    """

    def __init__(
        self,
        store: Store,
        places: Places,
        execute: Execute | None = None,
        experiment_id: str | None = None,
        only: int | None = None,
        closing: Callable[[], bool] = lambda: False,
        control_in: Callable[[Place], Control] = lambda place: Control(),
    ) -> None:
        """Runs are those of one experiment where it is given, and of it the one of the number `only`. `execute` stands
        in for what executes in the places, `control_in` gives the control of a run in one. Runs that stop while
        `closing` says yes count as interrupted."""
        self._store, self._places, self._execute = store, places, execute
        self._experiment_id, self._only = experiment_id, only
        self._closing, self._control_in = closing, control_in
        self._driven: dict[str, ClaimedRun] = {}
        self._experiments: dict[str, Experiment] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self.waits: dict[str, str] = {}
        """Runs that no place can hold, the first of each experiment, with the reason in words."""
        self.has_waiting = False
        """Whether runs were left in the queue by the last look at it."""

    @property
    def driven(self) -> dict[str, Control]:
        """The controls of the runs that are under way, by run id."""
        return {run.run_id: run.control for run in list(self._driven.values())}

    def claim(self) -> ClaimedRun | None:
        """Take the next run that can begin now out of the queue, for `drive`; None where none can.

        A run that no machine can hold stays in the queue while others go before it, and `waits` says why. One whose
        description can't be read fails. Raises StoreError.
        """
        in_play = self._store.runs_in_play(self._experiment_id, self._only)
        self._forget_all_but({row.run_id for row in in_play}, {row.experiment_id for row in in_play})
        waits, refused = dict[str, str](), set[str]()
        found = None
        under_way = self._driven.copy()  # one that was taken for dead may wait already while it still ends
        waiting = [row for row in in_play if row.status == "queued" and row.run_id not in under_way]
        for experiment_id, rows in groupby(self._until_wanted(waiting, in_play), key=lambda row: row.experiment_id):
            if experiment_id in refused:
                continue
            first = next(rows)
            if (experiment := self._readable(first)) is None:
                continue
            try:
                place = self._places.take(experiment, self._store.machine(experiment_id))
            except PlacesError as error:
                waits[first.run_id] = str(error)
                refused.add(experiment_id)
                continue
            if place is None:
                break
            found = self._claimed(place, [first, *rows], in_play)
            if found is not None:
                break
        self.waits, self.has_waiting = waits, len(waiting) > (found is not None)
        return found

    def drive(
        self,
        run: ClaimedRun,
        watch: Callable[[Event], None] | None = None,
        tell: Callable[[str], None] = lambda trouble: None,
    ) -> None:
        """Drive a claimed run until it ends, and free its place. `watch` and `tell` are those of `driver.drive`."""
        try:
            execute = self._execute or run.place.execute
            drive(self._store, run.run_id, run.control, execute, watch, self._closing, tell)
        finally:
            self._places.give_back(run.place)
            del self._driven[run.run_id]

    def stop_all(self) -> None:
        """Ask all runs that are under way to stop."""
        for control in self.driven.values():
            control.stop()

    def _claimed(self, place: Place, rows: list[RunInPlay], in_play: list[RunInPlay]) -> ClaimedRun | None:
        """The first of these waiting runs that need not wait for a stage, claimed for the place; else it is freed."""
        run = None
        try:
            chosen = next_run(self._staged(rows), list(self._running(in_play)))
            if chosen is not None and self._store.claim(chosen.run_id):
                run = ClaimedRun(chosen.run_id, place, self._control_in(place))
                self._driven[chosen.run_id] = run
        finally:
            if run is None:
                self._places.give_back(place)
        return run

    def _until_wanted(self, waiting: list[RunInPlay], in_play: list[RunInPlay]) -> list[RunInPlay]:
        """The waiting runs that may begin before one that a user wants next and that must wait for a stage."""
        wanted = {row.run_id for row in waiting if row.goes_next}
        if not wanted:
            return waiting
        staged = list(self._staged(waiting))
        allowed = {run.run_id for run in staged[: until_wanted(staged, self._running(in_play), wanted)]}
        return [row for row in waiting if row.run_id in allowed]

    def _running(self, in_play: list[RunInPlay]) -> Iterator[StagedRun]:
        """The runs that are under way and not paused."""
        own = self._driven.copy()
        return self._staged([row for row in in_play if row.run_id in own and row.status == "running"])

    def _staged(self, rows: list[RunInPlay]) -> Iterator[StagedRun]:
        for row in rows:
            if self._readable(row) is not None:
                yield StagedRun(row.run_id, self._names[row.run_id], row.finished_stages)

    def _readable(self, row: RunInPlay) -> Experiment | None:
        """The experiment of a run; None where one of the two can't be read, and the run has failed for that."""
        try:
            if row.run_id not in self._names:
                experiment_id, spec = self._store.run_spec(row.run_id)
                if experiment_id not in self._experiments:
                    self._experiments[experiment_id] = self._store.experiment(experiment_id)
                self._names[row.run_id] = stage_names(self._experiments[experiment_id], spec)
            return self._experiments[row.experiment_id]
        except StoreUnavailableError:
            raise
        except PalimpsestError as error:
            if self._store.claim(row.run_id):
                self._store.set_status(row.run_id, "failed", str(error))
            return None

    def _forget_all_but(self, run_ids: set[str], experiment_ids: set[str]) -> None:
        self._names = {run_id: names for run_id, names in self._names.items() if run_id in run_ids}
        self._experiments = {each: kept for each, kept in self._experiments.items() if each in experiment_ids}
