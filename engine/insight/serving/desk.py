"""Where pages hand in requests: a queue for all browsers of a server, worked off by one process beside it."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from engine.common.errors import ConfigError, StoreError
from engine.insight.requests import Request
from engine.insight.serving.worker import work
from engine.store import Store

Status = Literal["waiting", "computing", "done", "failed", "stopped"]
IDLE_SECONDS = 120.0
"""After so long without a request the process ends, and with it the models that it holds."""
FORGOTTEN_SECONDS = 150.0
"""A request that nobody has looked at for so long is dropped: its browser has gone. A hidden tab looks once a
minute."""
STOP_SECONDS = 10.0
"""After so long a request that does not stop is ended with its process."""
MOST_WAITING, MOST_KEPT = 100, 64
_LOOK_SECONDS = 0.1
Work = Callable[[Connection, Path, bool], None]


@dataclass(frozen=True)
class Progress:
    """How far a request has come: what is being done, how much of it (`of` is 0 where that is not known), and what
    there is of the result."""

    words: str
    done: int = 0
    of: int = 0
    so_far: Any = None


@dataclass
class Ticket:
    """A request and what has become of it."""

    request: Request
    status: Status = "waiting"
    told: Progress | None = None
    result: Any = None
    reason: str = ""
    """Why it failed."""
    seen: float = field(default_factory=time.monotonic)
    stop_asked: float | None = None


@dataclass(frozen=True)
class View:
    """A ticket as a page shows it."""

    status: Status
    before: int
    """How many requests come first."""
    told: Progress | None
    result: Any
    reason: str


class Desk:
    """The requests of one data folder. Thread-safe. `work` stands in for the process's own function."""

    def __init__(self, store: Store, work: Work = work) -> None:
        self._store, self._work = store, work
        self._lock, self._wake, self._closing = threading.Lock(), threading.Event(), threading.Event()
        self._waiting: OrderedDict[Request, Ticket] = OrderedDict()
        self._current: Ticket | None = None
        self._ended: OrderedDict[Request, Ticket] = OrderedDict()
        self._process: BaseProcess | None = None
        self._is_beside_training = False
        self._line: Connection | None = None
        self._thread = threading.Thread(target=self._serve, name=_name(store.folder), daemon=True)
        self._thread.palimpsest_desk = self  # type: ignore[attr-defined]  # where `get_desk` finds it again
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing.is_set()

    def ask(self, request: Request) -> None:
        """Hand in a request, once: one that waits, is worked out or was answered is not done again; one that failed or
        was stopped is. Raises ConfigError where too many wait."""
        with self._lock:
            known = self._find(request)
            if known is not None and known.status not in ("failed", "stopped"):
                known.seen = time.monotonic()
                return
            if len(self._waiting) >= MOST_WAITING:
                raise ConfigError(f"{MOST_WAITING} requests wait already; try again when some of them are answered.")
            self._ended.pop(request, None)
            self._waiting[request] = Ticket(request)
        self._wake.set()

    def look(self, request: Request) -> View | None:
        """What has become of a request; None where it was never handed in, or is forgotten."""
        with self._lock:
            ticket = self._find(request)
            if ticket is None:
                return None
            ticket.seen = time.monotonic()
            before = list(self._waiting).index(request) + 1 if ticket.status == "waiting" else 0
            return View(ticket.status, before, ticket.told, ticket.result, ticket.reason)

    def stop(self, request: Request) -> None:
        """End a request that waits or is worked out."""
        with self._lock:
            if (ticket := self._waiting.pop(request, None)) is not None:
                ticket.status = "stopped"
                self._keep(ticket)
            elif self._current is not None and self._current.request == request:
                self._current.stop_asked = self._current.stop_asked or time.monotonic()
        self._wake.set()

    def forget(self) -> None:
        """Forget the results that are in memory."""
        with self._lock:
            self._ended.clear()

    def close(self) -> None:
        """End the thread and the process."""
        self._closing.set()
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)

    def _find(self, request: Request) -> Ticket | None:
        if self._current is not None and self._current.request == request:
            return self._current
        return self._waiting.get(request) or self._ended.get(request)

    def _keep(self, ticket: Ticket) -> None:
        self._ended[ticket.request] = ticket
        while len(self._ended) > MOST_KEPT:
            self._ended.popitem(last=False)

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                ticket = self._next()
                if ticket is not None:
                    self._answer(ticket)
                elif not self._wake.wait(IDLE_SECONDS if self._process is not None else None):
                    self._end_process()
                self._wake.clear()
        finally:
            self._end_process()

    def _next(self) -> Ticket | None:
        with self._lock:
            now = time.monotonic()
            for request in [r for r, t in self._waiting.items() if now - t.seen > FORGOTTEN_SECONDS]:
                del self._waiting[request]
            if not self._waiting:
                return None
            _, ticket = self._waiting.popitem(last=False)
            ticket.status, self._current = "computing", ticket
            return ticket

    def _answer(self, ticket: Ticket) -> None:
        try:
            kind, *content = self._exchange(ticket)
        except (EOFError, OSError) as error:
            why = self._death()
            self._end_process()
            kind, content = ("stopped", [None]) if ticket.stop_asked is not None else ("failed", [why, str(error)])
        except Exception as error:  # the next request must be answered whatever this one meets
            self._end_process()
            kind, content = "failed", [f"That failed ({type(error).__name__}).", traceback.format_exc()]
        with self._lock:
            ticket.status, ticket.told, self._current = kind, None, None
            if kind == "done":
                ticket.result = content[0]
            elif kind == "failed":
                ticket.reason = content[0]
            self._keep(ticket)
        if kind == "failed" and content[1]:
            self._log(content[1])

    def _exchange(self, ticket: Ticket) -> tuple[Any, ...]:
        """Hand the request to the process, and hear it out. Raises EOFError or OSError where that ends."""
        beside_training = self._trains()
        line = self._connected(beside_training)
        line.send(("do", ticket.request, 1 if beside_training else _processors()))
        told_to_stop = False
        while True:
            if line.poll(_LOOK_SECONDS):
                message: tuple[Any, ...] = line.recv()
                if message[0] != "told":
                    return message
                with self._lock:
                    ticket.told = Progress(*message[1:])
            if self._closing.is_set():
                raise EOFError
            if ticket.stop_asked is None and time.monotonic() - ticket.seen > FORGOTTEN_SECONDS:
                ticket.stop_asked = time.monotonic()
            if ticket.stop_asked is not None:
                if not told_to_stop:
                    line.send("stop")
                    told_to_stop = True
                elif time.monotonic() - ticket.stop_asked > STOP_SECONDS:
                    raise EOFError

    def _death(self) -> str:
        """How the process has ended, in words."""
        if self._process is not None:
            self._process.join(1.0)
        code = None if self._process is None else self._process.exitcode
        if code == -signal.SIGKILL:
            return (
                "The process that computes this was ended; most likely the system ran out of memory. Ask for less at "
                "once, or wait until no run trains."
            )
        return f"The process that computes this has ended (code {code}). Try again; the log of the server has more."

    def _trains(self) -> bool:
        """Whether a run of this data folder is in training."""
        try:
            return bool((self._store.runs()["status"] == "running").any())
        except StoreError:  # which the request itself will meet
            return True

    def _connected(self, beside_training: bool) -> Connection:
        """The line to a process that gives way as is needed now; a process can't change how it does."""
        is_fit = self._is_beside_training == beside_training
        if self._process is None or not self._process.is_alive() or self._line is None or not is_fit:
            self._end_process()
            spawning = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
            self._line, theirs = spawning.Pipe()
            arguments = (theirs, self._store.folder, beside_training)
            self._process = spawning.Process(target=self._work, args=arguments, name="palimpsest-insight", daemon=True)
            self._process.start()
            self._is_beside_training = beside_training
            theirs.close()
        return self._line

    def _end_process(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._line = None

    def _log(self, text: str) -> None:
        with contextlib.suppress(OSError), (self._store.folder / "insight.log").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def get_desk(folder: Path) -> Desk:
    """The desk of this process and data folder; opened where there is none yet."""
    creating = threading.main_thread().__dict__.setdefault("palimpsest_desk_opening", threading.Lock())
    with creating:
        for thread in threading.enumerate():
            desk = getattr(thread, "palimpsest_desk", None)
            if thread.name == _name(folder) and desk is not None and desk.alive:
                found: Desk = desk
                return found
        return Desk(Store(folder))


def _name(folder: Path) -> str:
    return f"palimpsest-desk:{folder.resolve()}"


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
