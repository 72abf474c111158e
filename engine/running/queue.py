"""The thread that works through the queue: one per data folder, whatever pages, sessions and processes come and go.

It belongs to the process. Pages find it again among the living threads, so that neither a cleared cache nor a
reloaded module starts a second one; between processes a lock on a file decides who runs and who only watches.
"""

import atexit
import importlib
import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from engine.common.durable_files import writing
from engine.common.errors import ConfigError, PalimpsestError, StoreError, StoreUnavailableError
from engine.common.paths import made
from engine.events.control import Control
from engine.store import Store
from engine.store.progress import Request
from engine.store.schema import MOST_ATTEMPTS

if TYPE_CHECKING:
    from engine.execution.worker_process import Execute

LOOK_SECONDS = 0.25
"""The time between two looks at the queue; between two tries to take over from another process it is four times as
long."""
CLOSE_SECONDS = 5.0
RESUME_VARIABLE = "PALIMPSEST_RESUME"
"""Set to 1, runs that the end of a server cut short go on by themselves when it is started again."""


class RunnerLock:
    """The right to execute runs in a data folder, held by one process at a time and free once that process ends."""

    def __init__(self, folder: Path) -> None:
        made(folder)
        self._lock = FileLock(folder / "runner.lock", thread_local=False)
        self._about = folder / "runner.json"

    def take(self) -> bool:
        """Try once; True when this process now holds the lock. Raises StoreError where it can't be written."""
        if self._lock.is_locked:
            return True
        with writing(Path(self._lock.lock_file)):
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                return False
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M")}
        fresh = self._about.with_suffix(f".{os.getpid()}.tmp")
        try:
            with writing(self._about):
                fresh.write_text(json.dumps(about), encoding="utf-8")
                fresh.replace(self._about)
        except StoreError:
            self._lock.release()  # others would read of an earlier holder
            raise
        return True

    def holder(self) -> str:
        """Its holder, in words."""
        try:
            about: dict[str, Any] = json.loads(self._about.read_text(encoding="utf-8"))
            return f"process {about['process']} on {about['host']} since {about['since']}"
        except (OSError, ValueError, KeyError):
            return "another process"

    def release(self) -> None:
        self._lock.release()


class Runner:
    """Executes queued runs, one at a time and in order, in a background thread. Use `get_runner`."""

    def __init__(self, store: Store, execute: "Execute | None" = None) -> None:
        """`execute` stands in for `engine.execution.execute.execute_run`."""
        self.store = store
        self._execute = execute
        self._lock = RunnerLock(store.folder)
        self._driven: tuple[str, Control] = "", Control()
        self._closing, self._wake, self._decided = threading.Event(), threading.Event(), threading.Event()
        self._watching: str | None = None
        self.trouble = ""
        """Why the run in progress, or the queue, waits, in words; empty when it does not."""
        self._thread = threading.Thread(target=self._work, name=_thread_name(store.folder), daemon=True)
        self._thread.palimpsest_runner = self  # type: ignore[attr-defined]  # where `get_runner` finds it again

    @property
    def watching(self) -> str | None:
        """The process that runs instead of this one, in words; None when this one does."""
        return self._watching

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing.is_set()

    def start(self) -> "Runner":
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
            driven, control = self._driven
            if run_id != driven or what != "stop":
                raise
            control.stop()

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
        """Look at the queue now: something was put into it."""
        self._wake.set()

    def close(self) -> None:
        """End the thread: what runs is interrupted and keeps what it reached."""
        self._closing.set()
        self._wake.set()
        self._driven[1].stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=CLOSE_SECONDS)
        atexit.unregister(self.close)

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    pause_seconds = self._turn()
                    self.trouble = ""
                except Exception as error:  # a full disk, a locked database: the queue must outlive it
                    why = str(error) if isinstance(error, PalimpsestError) else f"{type(error).__name__}: {error}."
                    trouble = f"{why} The queue waits and goes on by itself once that is mended."
                    if trouble != self.trouble:
                        _complain(self.store.folder, traceback.format_exc())
                    self.trouble = trouble
                    pause_seconds = 4 * LOOK_SECONDS
                if pause_seconds:
                    self._wake.wait(pause_seconds)
                    self._wake.clear()
        finally:
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
        if not self.store.has_waiting():
            return LOOK_SECONDS
        try:
            # Before the claim: loading torch may take longer than a claimed run can be without a heartbeat.
            module = importlib.import_module("engine.running.driver")
            if self._execute is None:
                module.chosen_worker()
        except ConfigError as error:
            self._refuse_next(str(error))
            return 0.0
        except (ImportError, OSError) as error:  # of torch, also a library of the system that is missing
            self._refuse_next(f"What trains can't be loaded ({error}); install the requirements again.")
            return 0.0
        run_id = self.store.claim_next()
        if run_id is not None:
            self._drive(run_id, module)
        return 0.0

    def _recover(self) -> None:
        """Runs that say they run do not: whoever ran them is gone, or the lock were not free."""
        cut_short = self.store.mark_interrupted()
        if os.environ.get(RESUME_VARIABLE, "").strip() in ("", "0"):
            return
        attempts = self.store.runs(run_ids=cut_short).set_index("run_id")["attempt"]
        for run_id in cut_short:
            if attempts[run_id] < MOST_ATTEMPTS:  # one that takes the process with it must not do so for ever
                self.store.requeue(run_id)

    def _refuse_next(self, reason: str) -> None:
        run_id = self.store.claim_next()
        if run_id is not None:
            self.store.set_status(run_id, "failed", reason)

    def _drive(self, run_id: str, module: ModuleType) -> None:
        control = Control()
        self._driven = run_id, control
        if self._closing.is_set():
            control.stop()
        try:
            module.drive(
                self.store, run_id, control, self._execute, shutting_down=self._closing.is_set, tell=self._tell
            )
        finally:
            self._driven = "", Control()

    def _tell(self, trouble: str) -> None:
        self.trouble = trouble


def get_runner(folder: Path, execute: "Execute | None" = None, store: Callable[[Path], Store] = Store) -> Runner:
    """The runner of this process and data folder; started where there is none yet."""
    # the lock hangs on the main thread, which outlives reloaded modules; setdefault is atomic
    creating = threading.main_thread().__dict__.setdefault("palimpsest_creating", threading.Lock())
    with creating:
        for thread in threading.enumerate():
            runner = getattr(thread, "palimpsest_runner", None)
            if thread.name == _thread_name(folder) and runner is not None and runner.alive:
                found: Runner = runner
                return found
        return Runner(store(folder), execute).start()


def _thread_name(folder: Path) -> str:
    return f"palimpsest-runner:{folder.resolve()}"


def _complain(folder: Path, text: str) -> None:
    try:
        with (folder / "runner.log").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")
    except OSError:
        pass


__all__ = ["Runner", "RunnerLock", "get_runner"]
