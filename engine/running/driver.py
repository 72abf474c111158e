"""Drive one run: its events go into the store, what users ask of it goes to its control.

The one way to execute a run: the server's thread, the command line and a notebook all come through here.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.common.errors import PalimpsestError, StoreUnavailableError, WorkerLostError
from engine.events import Event, RunFinished, RunStarted, RunStopped, StageStarted, StepDone
from engine.events.control import Control
from engine.execution.worker_process import Execute, chosen_worker
from engine.persistence.checkpoints import last_whole_stage
from engine.running.recorded_inputs import as_begun, refuse_other_model, refuse_other_text_beside, refuse_other_texts
from engine.store import Store
from engine.store.schema import MOST_ATTEMPTS
from engine.store.writing import pulse_name

POLL_SECONDS = 0.25
BEAT_SECONDS = 2.0
RETRY_SECONDS = 1.0
"""The time between two tries to write to a store that refuses."""
MOST_WAITING = 2000
"""The number of events that may wait in memory to be written."""
INTERRUPTED = "The program was shut down before the run ended; resume it to go on from the last point that it kept."


STOPPED = "Stopped while its records could not be written; resume it to go on from the last point that it kept."


def drive(
    store: Store,
    run_id: str,
    control: Control,
    execute: Execute | None = None,
    watch: Callable[[Event], None] | None = None,
    shutting_down: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda trouble: None,
) -> None:
    """Execute a run that was claimed, from the last point that it kept, until it ends one way or another.

    Nothing but KeyboardInterrupt and the like comes out: the store says how it ended. `watch` sees every event;
    a stop while `shutting_down` says yes counts as an interruption. While the store can't be written the run waits and
    `tell` is given the reason, and "" when it goes on. A run whose worker is lost goes back to the queue.
    """
    recorder = _Recorder(store, run_id, control, tell)
    pulse = _Pulse(store, run_id, control, recorder)
    pulse.start()
    status, reason = "interrupted", INTERRUPTED
    try:
        status, reason = _follow(store, run_id, control, execute or chosen_worker(), recorder, watch)
        if status == "stopped" and shutting_down():
            status, reason = "interrupted", INTERRUPTED
    except WorkerLostError as error:
        status, reason = _after_loss(store, run_id, control, shutting_down(), str(error))
    except PalimpsestError as error:
        status, reason = "failed", str(error)
        log(store, run_id, reason)
        if isinstance(error, StoreUnavailableError) and control.stopping:
            status, reason = ("interrupted", INTERRUPTED) if shutting_down() else ("stopped", STOPPED)
    except Exception as error:  # whatever it is, the store must say how the run ended
        status, reason = "failed", _in_words(error, store.log_path(run_id))
        log(store, run_id, traceback.format_exc())
    finally:
        pulse.end()
        if not pulse.lost:
            with suppress(StoreUnavailableError):  # then it reads as interrupted, for want of a heartbeat
                recorder.insist()
                if status == "queued":
                    recorder.insist(lambda: store.requeue_lost(run_id, reason))
                elif status not in ("finished", "stopped") or not recorder.ended:  # these two the last event has set
                    recorder.insist(lambda: store.set_status(run_id, status, reason))
        log(store, run_id, f"{status}. {reason}".strip(), anew=False)  # a run that has ended may be deleted already


def _after_loss(store: Store, run_id: str, control: Control, closes: bool, reason: str) -> tuple[str, str]:
    """The status of a run whose worker is lost: it waits for another one, unless it is to end anyway."""
    if control.stopping:
        return ("interrupted", INTERRUPTED) if closes else ("stopped", f"Stopped after its worker was lost. {reason}")
    if store.attempt(run_id) >= MOST_ATTEMPTS:
        return "failed", f"{reason} It was begun {MOST_ATTEMPTS} times; resume it once the cause is mended."
    return "queued", reason


def log(store: Store, run_id: str, text: str, anew: bool = True) -> None:
    """Append to the run's log file, or to one that is there alone; a full disk loses the line, not the run."""
    path = store.log_path(run_id)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        without = 0 if anew else os.O_CREAT
        with open(
            path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags & ~without, 0o666)
        ) as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n")


def _follow(
    store: Store,
    run_id: str,
    control: Control,
    execute: Execute,
    recorder: "_Recorder",
    watch: Callable[[Event], None] | None,
) -> tuple[str, str]:
    """Take the run's events until the last one; returns the status and its reason."""
    experiment_id, spec = store.run_spec(run_id)
    experiment, model = store.experiment(experiment_id), store.model_facts(experiment_id)
    experiment = as_begun(experiment, model)
    finished_stages = last_whole_stage(store.run_folder(run_id), store.finished_stages(run_id))
    own = store.run_task_facts(run_id) if finished_stages else []
    others = store.compared_task_facts(run_id)
    reference, general = store.reference_facts(experiment_id), store.general_facts(experiment_id)
    store.drop_after_stage(run_id, finished_stages)
    log(store, run_id, f"starts: {spec.label}, seed {spec.seed}, after {finished_stages} finished stages")
    status = "interrupted"
    events = execute(experiment, spec, store.run_folder(run_id), control, finished_stages, store.shared_folder)
    try:
        for event in events:
            if isinstance(event, RunStarted):
                refuse_other_texts(own, event.tasks, _RUN_BEGAN)
                refuse_other_texts([] if own else others, event.tasks, _OTHERS_READ)
                refuse_other_text_beside("reference", reference, event.reference)
                refuse_other_text_beside("general", general, event.general)
                refuse_other_model(experiment.model, model, event.environment)
            elif isinstance(event, RunFinished | RunStopped):
                status = "finished" if isinstance(event, RunFinished) else "stopped"
            recorder.add(event)
            if watch is not None:
                watch(event)
    finally:
        if hasattr(events, "close"):
            events.close()
    return status, INTERRUPTED if status == "interrupted" else ""


_RUN_BEGAN = "changed since this run began, so it can't go on"
_OTHERS_READ = "is not what the experiment's other runs read, so this run can't be compared with them"


class _Recorder:
    """Collects events and writes them in batches: steps at every beat of the pulse, all else at once."""

    def __init__(self, store: Store, run_id: str, control: Control, tell: Callable[[str], None]) -> None:
        self._store, self._run_id, self._control, self._tell = store, run_id, control, tell
        self._events: list[Event] = []
        self._adding, self._writing = threading.Lock(), threading.Lock()
        self._pace = _Pace(control)
        self.ended = False
        """Whether the run's last event has come."""

    def add(self, event: Event) -> None:
        self._pace.see(event)
        self.ended = isinstance(event, RunFinished | RunStopped)
        with self._adding:
            self._events.append(event)
            many = len(self._events) >= MOST_WAITING
        if many or not isinstance(event, StepDone):
            self.insist()

    def insist(self, write: Callable[[], None] | None = None) -> None:
        """Write (what was collected, if nothing else is given), and hold the run while the store can't be written.

        Raises StoreUnavailableError where the run is to stop meanwhile.
        """
        trouble = ""
        while True:
            try:
                (write or self.flush)()
                break
            except StoreUnavailableError as error:
                if self._control.stopping:
                    raise
                if str(error) != trouble:
                    trouble = str(error)
                    log(self._store, self._run_id, f"waits: {trouble}")
                    self._tell(f"{trouble} The run waits and goes on by itself once that is mended.")
            time.sleep(RETRY_SECONDS)
        if trouble:
            self._tell("")

    def flush(self) -> None:
        """Write what was collected; on an error it stays collected and the error goes up."""
        with self._writing:
            with self._adding:
                events, self._events = self._events, []
            if not events:
                return
            try:
                pace = self._pace
                self._store.record(
                    self._run_id, *events, seconds_per_step=pace.seconds_per_step, steps_measured=pace.steps
                )
            except BaseException:
                with self._adding:
                    self._events = events + self._events
                raise


class _Pace:
    """Seconds per step over this attempt, evaluation and memory included, pauses and shared stages not."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._since: float | None = None
        self._trains = True
        self.steps = self._steps_repeated = 0
        self.seconds_per_step: float | None = None

    def see(self, event: Event) -> None:
        active = time.monotonic() - self._control.paused_seconds
        if isinstance(event, StageStarted):
            self._trains, self._steps_repeated = not event.shared, event.steps_before
            if self._trains and self._since is None:
                self._since = active
        if isinstance(event, StepDone) and self._steps_repeated:
            self._steps_repeated -= 1
        elif isinstance(event, StepDone) and self._trains and self._since is not None:
            self.steps += 1
            self.seconds_per_step = (active - self._since) / self.steps


class _Pulse(threading.Thread):
    """Beats while the thread that made it lives, hands the user's requests to the control, flushes steps."""

    def __init__(self, store: Store, run_id: str, control: Control, recorder: _Recorder) -> None:
        super().__init__(name=pulse_name(run_id), daemon=True)
        self._store, self._run_id, self._control, self._recorder = store, run_id, control, recorder
        self._attempt = store.attempt(run_id)
        self._runs_in = threading.current_thread()
        self._over = threading.Event()
        self.lost = False
        """The run was given to somebody else, who took this process for dead."""

    def end(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        next_beat = 0.0
        while not self._over.wait(POLL_SECONDS) and self._runs_in.is_alive() and not self.lost:
            try:
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + BEAT_SECONDS
                    self.lost = not self._store.beat(self._run_id, self._attempt)
                self._obey()
                self._recorder.flush()
            except StoreUnavailableError:
                continue  # a full or busy disk, which the recorder tells of: the next beat tries again
            except Exception:
                log(self._store, self._run_id, traceback.format_exc())
        if self.lost:
            self._control.stop()

    def _obey(self) -> None:
        asked = self._store.take_request(self._run_id)
        if asked == "pause" and not self._control.paused:
            self._control.pause()
            self._store.set_pause(self._run_id, True)
        elif asked == "resume" and self._control.paused:
            self._control.resume()
            self._store.set_pause(self._run_id, False)
        elif asked == "stop":
            self._control.stop()


def _in_words(error: Exception, path: Path) -> str:
    """One sentence for the user on an error that is not of ours."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "The machine ran out of memory; choose fewer tokens per step, a smaller block size or a smaller model."
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}; see {path} for details."
    return f"The program failed in a way it should not ({type(error).__name__}); {path} says where."
