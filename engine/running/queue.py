"""The thread that works through the queue: one per data folder, whatever pages, sessions and processes come and go.

It belongs to the process. Pages find it again among the living threads, so that neither a cleared cache nor a
reloaded module starts a second one; between processes a lock on a file decides who runs and who only watches. It fills
the places that there are with runs, each driven in a thread of its own.
"""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import ConfigError, PalimpsestError, StoreUnavailableError
from engine.events import Event, StageFinished
from engine.housekeeping.wastebin import tidy
from engine.running.runner_lock import RunnerLock
from engine.store import Store
from engine.store.progress import Request
from engine.store.schema import MOST_ATTEMPTS

if TYPE_CHECKING:
    from engine.execution.places import Places
    from engine.execution.worker_process import Execute
    from engine.running.dispatch import ClaimedRun, Dispatcher

LOOK_SECONDS = 0.25
"""The time between two looks at an empty queue; between two at one of which no run can begin, and between two tries to
take over from another process, it is four times as long."""
CLOSE_SECONDS = 5.0
TIDY_SECONDS = 60.0
"""The time between two looks for what has been in the bin for a day."""
RESUME_VARIABLE = "PALIMPSEST_RESUME"
"""Set to 1, runs that the end of a server cut short go on by themselves when it is started again."""


class Runner:
    """Executes queued runs in background threads, as many at once as there are places. Use `get_runner`."""

    def __init__(self, store: Store, execute: Execute | None = None, places: Places | None = None) -> None:
        """`execute` stands in for what executes in the places, `places` for those that the operator has chosen."""
        self.store = store
        self._execute, self._places = execute, places
        self._lock = RunnerLock(store.folder)
        self._dispatcher: Dispatcher | None = None
        self._drives: list[threading.Thread] = []
        self._tidying: threading.Thread | None = None
        self._tidied = -TIDY_SECONDS
        self._closing, self._wake, self._decided = threading.Event(), threading.Event(), threading.Event()
        self._watching: str | None = None
        self._trouble = ""
        self._troubles: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name=_thread_name(store.folder), daemon=True)
        self._thread.palimpsest_runner = self  # type: ignore[attr-defined]  # where `get_runner` finds it again

    @property
    def watching(self) -> str | None:
        """The process that runs instead of this one, in words; None when this one does."""
        return self._watching

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing.is_set()

    @property
    def trouble(self) -> str:
        """Why the queue, runs in it or runs under way wait, in words; empty when none does."""
        waits = self._dispatcher.waits if self._dispatcher is not None else {}
        said = [self._trouble, *waits.values(), *list(self._troubles.values())]
        return " ".join(dict.fromkeys(each for each in said if each))

    def start(self) -> Runner:
        """Start the thread and wait until it is clear whether this process runs or watches."""
        self._thread.start()
        self._decided.wait(timeout=CLOSE_SECONDS)
        atexit.register(self.close)
        return self

    def request(self, run_id: str, what: Request) -> None:
        """Ask a run to pause, resume or stop, wherever it runs; one of this process stops even where the store can't be
        written. Raises StoreError when it neither waits nor runs."""
        try:
            self.store.request(run_id, what)
        except StoreUnavailableError:
            driven = self._dispatcher.driven if self._dispatcher is not None else {}
            if run_id not in driven or what != "stop":
                raise
            driven[run_id].stop()

    def resume(self, run_id: str) -> None:
        """Let a paused run go on; put an interrupted, stopped or failed one into the queue again, to go on from
        the last point that it kept. Raises StoreError for a run that is finished or waits already."""
        status = self.store.runs(run_ids=run_id)["status"].tolist()
        if status == ["paused"]:
            self.store.request(run_id, "resume")
        else:
            self.store.requeue(run_id)
            self.wake()

    def wake(self) -> None:
        """Look at the queue now: something was put into it, or may begin."""
        self._wake.set()

    def close(self) -> None:
        """End the threads: what runs is interrupted and keeps what it reached."""
        self._closing.set()
        self._wake.set()
        if self._dispatcher is not None:
            self._dispatcher.stop_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=CLOSE_SECONDS)
        atexit.unregister(self.close)

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    pause_seconds = self._turn()
                    self._trouble = ""
                except Exception as error:  # a full disk, a locked database: the queue must outlive it
                    self._complain(error)
                    pause_seconds = 4 * LOOK_SECONDS
                if pause_seconds:
                    self._wake.wait(pause_seconds)
                    self._wake.clear()
        finally:
            self._end()

    def _end(self) -> None:
        """Wait for what still runs, however long it takes, before another process may take over."""
        if self._dispatcher is not None:
            self._dispatcher.stop_all()
        for drive in (*self._drives, *filter(None, [self._tidying])):
            drive.join()
        if self._places is not None:
            self._places.close()
        self._lock.release()

    def _turn(self) -> float:
        """Do one thing; returns how long to wait before the next."""
        running = self._watching is None and self._decided.is_set()
        if not running:
            if not self._lock.take():
                self._watching = self._lock.holder()
                self._decided.set()
                return 4 * LOOK_SECONDS
            self._recover()
            self._watching = None
            self._decided.set()
        self._drives = [drive for drive in self._drives if drive.is_alive()]
        self._tidy()
        if not self.store.has_waiting():
            return LOOK_SECONDS
        try:
            # Before the claim: loading torch may take longer than a claimed run can be without a heartbeat.
            dispatcher = self._loaded()
        except ConfigError as error:
            self._refuse_next(str(error))
            return 0.0
        except (ImportError, OSError) as error:  # of torch, also a library of the system that is missing
            self._refuse_next(f"What trains can't be loaded ({error}); install the requirements again.")
            return 0.0
        run = dispatcher.claim()
        if run is None:
            return 4 * LOOK_SECONDS
        self._start(dispatcher, run)
        return 0.0

    def _tidy(self) -> None:
        """Once in a while, have removed for good what has been in the bin for a day, beside the queue: many checkpoints
        take a disk its time."""
        if time.monotonic() - self._tidied < TIDY_SECONDS or (self._tidying and self._tidying.is_alive()):
            return
        self._tidied = time.monotonic()
        self._tidying = threading.Thread(target=self._empty_old, name="palimpsest-bin", daemon=True)
        self._tidying.start()

    def _empty_old(self) -> None:
        try:
            tidy(self.store)
        except Exception:  # the next look tries again
            _log(self.store.folder, traceback.format_exc())

    def _loaded(self) -> Dispatcher:
        """What claims and drives runs, with torch and the places, which are chosen anew as long as that fails."""
        if self._dispatcher is None:
            module = importlib.import_module("engine.running.dispatch")
            if self._places is None:
                self._places = importlib.import_module("engine.running.chosen_places").chosen_places(self.store.folder)
            self._dispatcher = module.Dispatcher(self.store, self._places, self._execute, closing=self._closing.is_set)
        return self._dispatcher

    def _recover(self) -> None:
        """Runs that say they run do not: whoever ran them is gone, or the lock were not free."""
        cut_short = self.store.mark_interrupted()
        importlib.import_module("engine.driving.thinning").keep_all_as_set(self.store)
        if os.environ.get(RESUME_VARIABLE, "").strip() in ("", "0"):
            return
        attempts = self.store.runs(run_ids=cut_short).set_index("run_id")["attempt"]
        for run_id in reversed(cut_short):  # each goes to the front of its experiment
            if attempts[run_id] < MOST_ATTEMPTS:  # one that takes the process with it must not do so for ever
                self.store.requeue(run_id)

    def _refuse_next(self, reason: str) -> None:
        run_id = self.store.claim_next()
        if run_id is not None:
            self.store.set_status(run_id, "failed", reason)

    def _start(self, dispatcher: Dispatcher, run: ClaimedRun) -> None:
        """Drive a claimed run in a thread of its own."""
        drive = threading.Thread(target=self._drive, args=(dispatcher, run), name=f"palimpsest-run:{run.run_id}")
        drive.daemon = True
        self._drives.append(drive)
        drive.start()

    def _drive(self, dispatcher: Dispatcher, run: ClaimedRun) -> None:
        if self._closing.is_set():
            run.control.stop()
        try:
            dispatcher.drive(run, self._see, lambda trouble: self._tell(run.run_id, trouble))
        except Exception as error:  # the other runs must outlive it
            self._complain(error)
        finally:
            self._troubles.pop(run.run_id, None)
            self.wake()

    def _see(self, event: Event) -> None:
        if isinstance(event, StageFinished):  # a run may have waited to take the stage over
            self.wake()

    def _tell(self, run_id: str, trouble: str) -> None:
        self._troubles[run_id] = trouble

    def _complain(self, error: Exception) -> None:
        """Say what keeps the queue from going on, on pages and once in the log. Call it while `error` is handled."""
        why = str(error) if isinstance(error, PalimpsestError) else f"{type(error).__name__}: {error}."
        trouble = f"{why} The queue waits and goes on by itself once that is mended."
        if trouble != self._trouble:
            _log(self.store.folder, traceback.format_exc())
        self._trouble = trouble


def get_runner(
    folder: Path,
    execute: Execute | None = None,
    store: Callable[[Path], Store] = Store,
    places: Places | None = None,
) -> Runner:
    """The runner of this process and data folder; started where there is none yet."""
    # the lock hangs on the main thread, which outlives reloaded modules; setdefault is atomic
    creating = threading.main_thread().__dict__.setdefault("palimpsest_creating", threading.Lock())
    with creating:
        for thread in threading.enumerate():
            runner = getattr(thread, "palimpsest_runner", None)
            if thread.name == _thread_name(folder) and runner is not None and runner.alive:
                found: Runner = runner
                return found
        return Runner(store(folder), execute, places).start()


def _thread_name(folder: Path) -> str:
    return f"palimpsest-runner:{folder.resolve()}"


def _log(folder: Path, text: str) -> None:
    try:
        with (folder / "runner.log").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
    except OSError:
        pass


__all__ = ["Runner", "get_runner"]
