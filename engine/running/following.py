"""Driving the runs of one experiment to their ends, for a caller that waits for them."""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from engine.events import Event, StageFinished, Waiting
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.execution.places import Place, Places
from engine.execution.worker_process import Execute
from engine.running.dispatch import ClaimedRun, Dispatcher
from engine.store import Store

Watch = Callable[[str, Event], None]
"""Sees every event with its run's id."""
LOOK_SECONDS, HEAR_SECONDS = 1.0, 0.1
"""The time between two looks at the queue while nothing happens, and between two at what the caller asks for."""
CLOSE_SECONDS = 5.0


class Following:
    """The runs of an experiment in their places, followed by the thread that asks for `ended_runs`. Close it."""

    def __init__(
        self,
        store: Store,
        places: Places,
        experiment_id: str,
        only: int | None,
        control: Control,
        watch: Watch | None = None,
        execute: Execute | None = None,
    ) -> None:
        """The run of the number `only` alone is followed, where it is given."""
        self._control, self._watch = control, watch
        self._closing = threading.Event()
        self._dispatcher = Dispatcher(
            store, places, execute, experiment_id, only, closing=self._closing.is_set, control_in=self._control_in
        )
        self._threads: dict[str, threading.Thread] = {}
        self._heard: SimpleQueue[tuple[str, Exception | None] | None] = SimpleQueue()
        """Runs that have ended, with the error of one that could not be driven; None for a stage that is finished."""
        self._was_paused = False
        self._waits = dict[str, str]()

    def ended_runs(self) -> Iterator[str]:
        """The ids of the runs as they end, until none is left or a stop was asked for. A run that computes in this
        process is driven in the calling thread, so that an exception such as KeyboardInterrupt reaches it at once."""
        next_look = 0.0
        while True:
            if time.monotonic() >= next_look:
                yield from self._fill()
                next_look = time.monotonic() + LOOK_SECONDS
                if not self._threads and not self._has_more():
                    return
            self._pass_on_requests()
            try:
                heard = self._heard.get(timeout=HEAR_SECONDS)
            except Empty:
                continue
            next_look = 0.0
            if heard is not None:
                run_id, error = heard
                self._threads.pop(run_id).join()
                if error is not None:
                    raise error
                yield run_id

    def close(self) -> None:
        """Interrupt what still runs, and give it a moment to keep what it reached."""
        self._closing.set()
        self._dispatcher.stop_all()
        ends = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads.values():
            thread.join(timeout=max(0.0, ends - time.monotonic()))

    def _fill(self) -> Iterator[str]:
        """Begin all runs that can begin now; yields those that have ended already."""
        while not (self._control.stopping or self._control.paused):
            run = self._dispatcher.claim()
            self._say_what_waits()
            if run is None:
                return
            if _computes_here(run.place):
                self._dispatcher.drive(run, self._watch_of(run.run_id), self._tell_of(run.run_id))
                yield run.run_id
            else:
                thread = threading.Thread(target=self._drive, args=(run,), name=f"palimpsest-run:{run.run_id}")
                thread.daemon = True
                self._threads[run.run_id] = thread
                thread.start()

    def _has_more(self) -> bool:
        """Whether a run may yet begin, of those that could not just now."""
        return not self._control.stopping and (self._control.paused or self._dispatcher.has_waiting)

    def _drive(self, run: ClaimedRun) -> None:
        error = None
        try:
            self._dispatcher.drive(run, self._watch_of(run.run_id), self._tell_of(run.run_id))
        except Exception as raised:  # it goes up in the thread that follows
            error = raised
        self._heard.put((run.run_id, error))

    def _pass_on_requests(self) -> None:
        """Let every run in a thread of its own do what the caller's control asks for."""
        paused = self._control.paused
        for control in self._dispatcher.driven.values():
            if self._control.stopping:
                control.stop()
            elif paused != self._was_paused:
                (control.pause if paused else control.resume)()
        self._was_paused = paused

    def _say_what_waits(self) -> None:
        """Say once of a run why it can't begin, where events go."""
        said, self._waits = self._waits, self._dispatcher.waits
        for run_id, why in self._waits.items():
            if said.get(run_id) != why:
                self._watch_of(run_id)(Waiting(why))

    def _control_in(self, place: Place) -> Control:
        return self._control if _computes_here(place) else Control()

    def _watch_of(self, run_id: str) -> Callable[[Event], None]:
        def see(event: Event) -> None:
            if self._watch is not None:
                self._watch(run_id, event)
            if isinstance(event, StageFinished):  # another run may have waited to take it over
                self._heard.put(None)

        return see

    def _tell_of(self, run_id: str) -> Callable[[str], None]:
        """Pass on, where events go, the reason that keeps the store from being written."""
        see = self._watch_of(run_id)
        return lambda trouble: see(Waiting(trouble))


def _computes_here(place: Place) -> bool:
    return place.execute is execute_run
