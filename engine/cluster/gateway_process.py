"""The gateway as the server sees it: a process that may go at any time, and is started again when it is needed."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cluster.connection import address
from engine.cluster.nodes import Node
from engine.common.errors import PlacesError

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_CONNECT_SECONDS = 90.0
_AGAIN_SECONDS = 5.0
_END_SECONDS = 15.0


class GatewayProcess:
    """One gateway for one data folder. Its methods may be called from any thread, and none of them waits for it."""

    def __init__(self, data_folder: Path) -> None:
        self._data_folder = data_folder
        self._changing = threading.Lock()
        self._sending = threading.Lock()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._started = self._ended = float("-inf")
        self._nodes: tuple[Node, ...] | None = None
        self._trouble = ""
        self._inboxes: dict[str, queue.SimpleQueue[tuple[Any, ...]]] = {}

    def nodes(self) -> tuple[Node, ...] | None:
        """The nodes of the cluster; None while it is being joined. Raises PlacesError where it can't be, ConfigError
        where its address can't be one."""
        with self._changing:
            if self._process is None:
                if time.monotonic() - self._ended >= _AGAIN_SECONDS:
                    self._start()
                elif self._trouble:
                    raise PlacesError(self._trouble)
            elif self._nodes is None and time.monotonic() - self._started > _CONNECT_SECONDS:
                self._process.kill()
                self._trouble = (
                    f"No Ray cluster answers at {address() or 'this machine'} within {_CONNECT_SECONDS:.0f} s."
                )
                raise PlacesError(self._trouble)
            return self._nodes

    def inbox(self, ticket: str) -> queue.SimpleQueue[tuple[Any, ...]]:
        """The answers about a run, from now on."""
        return self._inboxes.setdefault(ticket, queue.SimpleQueue())

    def leave(self, ticket: str) -> None:
        """Take no more answers about a run, and end it where it still computes."""
        if self._inboxes.pop(ticket, None) is not None:
            self.send("drop", ticket)

    def send(self, method: str, *arguments: Any) -> bool:
        """Ask the gateway for something; False where there is none."""
        pipe = self._pipe
        if pipe is None:
            return False
        try:
            with self._sending:
                pipe.send((method, *arguments))
        except (OSError, ValueError):
            return False
        return True

    def close(self) -> None:
        """End the gateway; runs that it follows are lost."""
        self.send("leave")
        with self._changing:
            process, self._pipe = self._process, None
        if process is not None:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()

    def _start(self) -> None:
        from engine.cluster.gateway import main

        where = address()
        spawning = multiprocessing.get_context("spawn")
        ours, theirs = spawning.Pipe()
        process = spawning.Process(target=main, args=(theirs, where, self._data_folder), name="palimpsest-gateway")
        process.daemon = True
        process.start()
        theirs.close()
        self._process, self._pipe, self._nodes, self._started = process, ours, None, time.monotonic()
        self._trouble = ""
        threading.Thread(target=self._listen, args=(process, ours), name="palimpsest-gateway", daemon=True).start()

    def _listen(self, process: SpawnProcess, pipe: Connection) -> None:
        """Hand every answer to whom it is for, until the process has gone."""
        try:
            while True:
                kind, *content = pipe.recv()
                if kind == "refused":
                    self._trouble = content[0]
                elif kind == "nodes":
                    self._nodes = tuple(content[0])
                elif (inbox := self._inboxes.get(content[0])) is not None:
                    inbox.put((kind, *content[1:]))
        except (EOFError, OSError):
            pass
        process.join(_END_SECONDS)
        with self._changing:
            self._trouble = self._trouble or "The connection to the Ray cluster was lost; it is tried again."
            self._process, self._pipe, self._nodes, self._ended = None, None, None, time.monotonic()
            pipe.close()
        for inbox in list(self._inboxes.values()):
            inbox.put(("lost", "The connection to the Ray cluster was lost."))
