"""A run in a process of its own, so that what ends the process (no memory left, a crash in native code) does not end
the server. The same events, the same numbers: it executes what the server's thread would.

Chosen with PALIMPSEST_WORKER=process; a thread stays the default.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.errors import ConfigError, PalimpsestError, TrainingError
from engine.events.control import Control

if TYPE_CHECKING:
    from engine.events import Event
    from engine.experiments.experiment import Experiment, RunSpec

Execute = Callable[["Experiment", "RunSpec", Path, Control, int, Path], "Iterator[Event]"]
"""`execute_run`, or a stand-in: experiment, run, folder, control, finished stages, folder of shared results."""

VARIABLE = "PALIMPSEST_WORKER"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_LOOK_SECONDS = 0.1
_END_SECONDS = 20.0
_NEVER_BEGAN = (
    "The process that was to train ended before it began; the program's own output says why. A script that runs "
    'experiments in processes does so under if __name__ == "__main__":, since each process reads the script anew.'
)


@dataclass(frozen=True)
class Share:
    """The part of the machine that a worker process may use."""

    threads: int | None = None
    """Threads of arithmetic on the CPU; None leaves their number to torch."""
    device: str | None = None
    """The one GPU that it sees, as in CUDA_VISIBLE_DEVICES; None shows it what this process sees."""
    runs_at_once: int = 1
    """How many runs write to the same disk meanwhile, its own among them."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that must stand before torch is loaded."""
        found = {} if self.threads is None else dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
        return found if self.device is None else found | {"CUDA_VISIBLE_DEVICES": self.device}


def chosen_worker() -> Execute:
    """Return the function that executes runs, by the environment variable. Raises ConfigError."""
    from engine.execution.execute import execute_run

    chosen = os.environ.get(VARIABLE, "").strip() or "thread"
    if chosen not in ("thread", "process"):
        raise ConfigError(f"{VARIABLE}: {chosen!r} is neither thread nor process.")
    return execute_run if chosen == "thread" else execute_in_process


def execute_in_process(
    experiment: Experiment,
    run: RunSpec,
    folder: Path,
    control: Control,
    finished_stages: int = 0,
    shared_folder: Path | None = None,
    share: Share = Share(),
) -> Iterator[Event]:
    """Do the same as `execute_run` in a process that is started for it, with its share of the machine. Raises
    TrainingError where that dies."""
    spawning = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
    ours, theirs = spawning.Pipe()
    arguments = (share, theirs, experiment, run, folder, finished_stages, shared_folder)
    process = spawning.Process(target=_work, args=arguments, name=f"palimpsest-worker:{folder.name}", daemon=True)
    process.start()
    theirs.close()
    began = False
    try:
        for event in _events(ours, control):
            began = True
            yield event
        process.join(_END_SECONDS)
    except EOFError:
        process.join(_END_SECONDS)
        never_began = not began and process.exitcode == 1  # an error in Python before the worker could send it
        raise TrainingError(_NEVER_BEGAN if never_began else _death(process.exitcode)) from None
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        ours.close()


def _events(ours: Connection, control: Control) -> Iterator[Event]:
    """Yield the worker's events, while requests for the run are passed on to it. Raises what ended it, EOFError if it
    died."""
    sent = ""
    while True:
        wanted = "stop" if control.stopping else "pause" if control.paused else "go on"
        if wanted != sent:
            sent = wanted
            with contextlib.suppress(OSError):
                ours.send(wanted)
        if not ours.poll(_LOOK_SECONDS):
            continue
        try:
            kind, content = ours.recv()
        except ConnectionResetError:  # it died before it had read what was sent to it
            raise EOFError from None
        if kind == "paused":
            control.paused_seconds = content
        elif kind == "event":
            yield content
        elif content is None:
            return
        else:
            raise content


def _death(code: int | None) -> str:
    """Say how the worker ended."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        why = "; most likely the system ran out of memory" if -code == signal.SIGKILL else ""
        how = f"was ended by {name}{why}"
    else:
        how = f"ended with code {code}"
    return (
        f"The process that trained {how}. Choose fewer tokens per step or a smaller model if it happens again; "
        "resume to go on from the last point that was kept."
    )


def _work(
    share: Share,
    theirs: Connection,
    experiment: Experiment,
    run: RunSpec,
    folder: Path,
    finished_stages: int,
    shared_folder: Path | None,
) -> None:
    """Execute the run in the worker process and send its events."""
    os.environ.update(share.variables)
    import torch

    from engine.execution.execute import execute_run

    if share.threads is not None:  # the user's own script may have loaded torch before the variables stood
        torch.set_num_threads(share.threads)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server hears Ctrl-C and asks for a stop
    control, sending = Control(), threading.Lock()

    def send(kind: str, content: Any) -> None:
        with sending:
            theirs.send((kind, content))

    threading.Thread(target=_obey, args=(theirs, control), daemon=True).start()
    ended: BaseException | None = None
    try:
        paused = 0.0
        at_once = share.runs_at_once
        for event in execute_run(experiment, run, folder, control, finished_stages, shared_folder, at_once):
            if control.paused_seconds != paused:
                paused = control.paused_seconds
                send("paused", paused)
            send("event", event)
    except PalimpsestError as error:
        ended = type(error)(str(error))
    except Exception as error:
        ended = portable_error(error)
    with contextlib.suppress(OSError):
        send("over", ended)


def _obey(theirs: Connection, control: Control) -> None:
    """Do what the server asks; end with it."""
    actions = {"stop": control.stop, "pause": control.pause, "go on": control.resume}
    while True:
        try:
            actions[theirs.recv()]()
        except (EOFError, OSError):
            os._exit(1)


def portable_error(error: Exception) -> Exception:
    """An error that survives the way, its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    same: Exception = type(error)(*error.args) if isinstance(error, OSError | MemoryError) else RuntimeError(str(error))
    same.add_note(text)
    return same
