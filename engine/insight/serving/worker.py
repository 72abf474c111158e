"""The process that answers requests, and gives way to a run that trains."""

import contextlib
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.common.errors import PalimpsestError
from engine.events.control import Stopped
from engine.insight.requests import Request
from engine.insight.telling import Told

_NICE, _NICEST = 10, 19
SHARE_BESIDE_TRAINING, LONGEST_REST = 0.25, 5.0
"""Of a processor beside a run that trains, and the seconds of one rest: two cores may have their units and caches in
common, so that what one computes in idle moments slows the other all the same."""
TELL_SECONDS = 0.2
"""Between two messages on how far a request has come."""


def work(ours: Connection, folder: Path, beside_training: bool) -> None:
    """Answer requests that come in as ("do", request, threads), until the other side is gone; "stop" ends the one in
    progress. Goes out: ("told", words, done, of, so far), then ("done", result), ("stopped", None) or ("failed", text,
    traceback)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server hears Ctrl-C and ends this process
    _stand_back(beside_training)
    incoming = _Incoming(ours)
    threading.Thread(target=incoming.listen, daemon=True).start()
    from engine.insight.performing import Performer
    from engine.store import Store

    try:
        performer = Performer(Store(folder))
    except PalimpsestError as error:
        incoming.next()
        ours.send(("failed", str(error), ""))
        return
    while True:
        request, threads = incoming.next()
        with contextlib.suppress(OSError):
            pace = Pace(SHARE_BESIDE_TRAINING if beside_training else 1.0)
            ours.send(_outcome(performer, request, threads, incoming, ours, pace))


def _stand_back(beside_training: bool) -> None:
    """Beside a run that trains, compute in moments that the processors are idle, and in no others: a process of low
    priority still finishes its turn of some milliseconds, for which every layer of a step would wait. Otherwise
    a low priority will do."""
    if beside_training and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):  # some containers forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            return
    if hasattr(os, "nice"):
        os.nice(_NICEST if beside_training else _NICE)


class Pace:
    """Rests between two pieces of work, so that they take no more than a share of one processor."""

    def __init__(self, share: float) -> None:
        self._rest_for_work = 1 / share - 1
        self._worked = time.process_time()

    def rest(self) -> None:
        """Sleep for the work since the last rest."""
        now = time.process_time()
        if self._rest_for_work:
            time.sleep(min((now - self._worked) * self._rest_for_work, LONGEST_REST))
        self._worked = now


def _outcome(
    performer: Any, request: Request, threads: int, incoming: "_Incoming", ours: Connection, pace: Pace
) -> Any:
    import torch

    torch.set_num_threads(threads)
    last = 0.0

    def tell(told: Told) -> None:
        nonlocal last
        if incoming.stopping.is_set():
            raise Stopped
        pace.rest()
        if (now := time.monotonic()) - last >= TELL_SECONDS:
            last = now
            so_far = told.so_far() if told.so_far is not None else None
            ours.send(("told", told.words, told.done, told.of, so_far))

    try:
        return "done", performer.perform(request, tell)
    except Stopped:
        return "stopped", None
    except PalimpsestError as error:
        return "failed", str(error), ""
    except Exception as error:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return (
            "failed",
            f"That failed ({why}); the log `insight.log` in the data folder has more.",
            traceback.format_exc(),
        )


class _Incoming:
    """What the server sends, heard while a request is worked out."""

    def __init__(self, ours: Connection) -> None:
        self._ours = ours
        self._there = threading.Semaphore(0)
        self._requests: list[tuple[Request, int]] = []
        self.stopping = threading.Event()

    def listen(self) -> None:
        """Ends the process with the server."""
        while True:
            try:
                message = self._ours.recv()
            except (EOFError, OSError):
                os._exit(0)
            if message == "stop":
                self.stopping.set()
            else:
                self.stopping.clear()
                self._requests.append(message[1:])
                self._there.release()

    def next(self) -> tuple[Request, int]:
        self._there.acquire()
        return self._requests.pop(0)
