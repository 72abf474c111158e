"""Drive one run: its events go into the store, what users ask of it goes to its control.

The one way to execute a run: the server's thread, the command line and a notebook all come through here.
"""

import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.common.errors import PalimpsestError, StoreUnavailableError, WorkerLostError
from engine.driving.pulse import join, leave
from engine.driving.recorded_inputs import as_begun, refuse_other_model, refuse_other_text_beside, refuse_other_texts
from engine.driving.recorder import Recorder
from engine.driving.run_log import log
from engine.driving.thinning import keep_as_set
from engine.events import Event, RunFinished, RunStarted, RunStopped, StageFinished
from engine.events.control import Control
from engine.execution.worker_process import Execute, chosen_worker
from engine.persistence.checkpoints import drop_large_states, last_whole_stage
from engine.store import Store
from engine.store.schema import MOST_ATTEMPTS

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
    recorder = join(store, run_id, control, tell)
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
        leave(store, recorder)
        if not recorder.lost:
            with suppress(StoreUnavailableError):  # then it reads as interrupted, for want of a heartbeat
                if recorder.failure is None:
                    recorder.insist()
                if status == "queued":
                    recorder.insist(lambda: store.requeue_lost(run_id, reason))
                elif status not in ("finished", "stopped") or not recorder.ended:  # these two the last event has set
                    recorder.insist(lambda: store.set_status(run_id, status, reason))
        log(store, run_id, f"{status}. {reason}".strip(), anew=False)  # a run that has ended may be deleted already
    if status == "finished" and not recorder.lost:
        keep_as_set(store, run_id)


def _after_loss(store: Store, run_id: str, control: Control, closes: bool, reason: str) -> tuple[str, str]:
    """The status of a run whose worker is lost: it waits for another one, unless it is to end anyway."""
    if control.stopping:
        return ("interrupted", INTERRUPTED) if closes else ("stopped", f"Stopped. {reason}")
    if store.attempt(run_id) >= MOST_ATTEMPTS:
        return "failed", f"{reason} It was begun {MOST_ATTEMPTS} times; resume it once the cause is mended."
    return "queued", reason


def _follow(
    store: Store,
    run_id: str,
    control: Control,
    execute: Execute,
    recorder: Recorder,
    watch: Callable[[Event], None] | None,
) -> tuple[str, str]:
    """Take the run's events until the last one; returns the status and its reason."""
    experiment_id, spec = store.run_spec(run_id)
    experiment, model = store.experiment(experiment_id), store.model_facts(experiment_id)
    experiment = as_begun(experiment, model)
    with_optimizer = experiment.training.optimizer_state == "keep"
    finished_stages = last_whole_stage(store.run_folder(run_id), store.finished_stages(run_id), with_optimizer)
    own = store.run_task_facts(run_id) if finished_stages else []
    others = store.compared_task_facts(run_id)
    reference, general = store.reference_facts(experiment_id), store.general_facts(experiment_id)
    store.drop_after_stage(run_id, finished_stages)
    _drop_states(store, run_id, finished_stages)
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
            if isinstance(event, StageFinished):  # and recorded: the run goes on from here
                _drop_states(store, run_id, event.stage)
            if watch is not None:
                watch(event)
    finally:
        if hasattr(events, "close"):
            events.close()
    return status, INTERRUPTED if status == "interrupted" else ""


def _drop_states(store: Store, run_id: str, finished_stages: int) -> None:
    """Remove what the run has kept to go on from earlier stages; where the disk refuses, the next stage tries again."""
    with suppress(OSError):
        drop_large_states(store.run_folder(run_id), finished_stages)


_RUN_BEGAN = "changed since this run began, so it can't go on"
_OTHERS_READ = "is not what the experiment's other runs read, so this run can't be compared with them"


def _in_words(error: Exception, path: Path) -> str:
    """One sentence for the user on an error that is not of ours."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "The machine ran out of memory; choose fewer tokens per step, a smaller block size or a smaller model."
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}; see {path} for details."
    return f"The program failed in a way it should not ({type(error).__name__}); {path} says where."
