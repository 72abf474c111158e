"""The process between the server and a cluster of Ray: it hands in runs, and takes their files and events.

It is a process of its own, since Ray ends the process that uses it when the cluster is gone. The server and it speak
through a pipe: requests are tuples that name a method of `Gateway`, answers are of `Answer`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cluster.connection import connect, prepare
from engine.cluster.messages import Computing, Events, FilePart, FilesWhole, Message, Over, SameFile
from engine.cluster.nodes import Need, Node, refusal_of
from engine.cluster.receiving import ARRIVING, FolderReceiver
from engine.common.errors import PalimpsestError, PlacesError, StoreUnavailableError

if TYPE_CHECKING:
    from engine.cluster.job import Job

Answer = tuple[Any, ...]
"""("refused", sentence), ("nodes", nodes), or of a run: (kind, ticket, content) where the kind is "computing" (the
node's name), "events" (`messages.Events`), "waiting" (why, or ""), "over" (None or an error), or "lost" (a sentence).
"""

LOG = "cluster.log"
"""The file in a data folder with what Ray says."""
_LOOK_SECONDS, _NODES_SECONDS, _RETRY_SECONDS = 0.1, 2.0, 1.0
_IN_FLIGHT = 48
"""Messages of a run that may be on their way: a node that is so far ahead waits."""
_PROBE_SECONDS = 120.0


@dataclass
class _Running:
    """A run that was handed in."""

    job: Job
    stream: Any
    receiver: FolderReceiver
    node_id: str
    node: str = ""
    pending: deque[Message] = field(default_factory=deque)
    """Messages that could not be taken, since the disk refuses."""
    retry_at: float = 0.0
    trouble: str = ""


class Gateway:
    """All runs of one server on one cluster."""

    def __init__(self, server: Connection, data_folder: Path) -> None:
        import ray

        from engine.cluster import ray_worker
        from engine.cluster.exchange import Exchange

        self._ray = ray
        self._server, self._data_folder = server, data_folder
        here = ray.get_runtime_context().get_node_id()
        self._exchange = (
            ray.remote(Exchange)
            .options(num_cpus=0, max_concurrency=1000, scheduling_strategy=self._only_on(here))
            .remote()
        )
        once = ray.remote(max_calls=1, max_retries=0)  # going on is ours, from resume points
        self._compute, self._probe = once(ray_worker.compute), once(ray_worker.probe)
        self._versions = ray_worker.package_versions()
        self._runs: dict[str, _Running] = {}
        self._probes: dict[str, tuple[Any, float]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._nodes: list[Node] = []
        self._next_nodes = 0.0
        self._ends = False
        shutil.rmtree(data_folder / ARRIVING, ignore_errors=True)

    def work(self) -> None:
        """Serve until the server has had enough, or has gone."""
        while self._hear():
            self._see_nodes()
            self._take_streams()
            for running in list(self._runs.values()):
                self._take_pending(running)

    def submit(self, job: Job, run_folder: Path, shared_folder: Path, need: Need, node_id: str) -> None:
        """Hand a run in, to the node of this id."""
        self._ray.get(self._exchange.register.remote(job, shared_folder))
        stream = self._compute.options(
            num_cpus=need.cpus, num_gpus=need.gpus, num_returns="streaming",
            _generator_backpressure_num_objects=_IN_FLIGHT, scheduling_strategy=self._only_on(node_id),
        ).remote(job, self._exchange)  # fmt: skip
        receiver = FolderReceiver(self._data_folder / ARRIVING / job.ticket, run_folder, shared_folder)
        self._runs[job.ticket] = _Running(job, stream, receiver, node_id)

    def ask(self, ticket: str, wish: str) -> None:
        """Pass on what the user wishes of a run."""
        self._exchange.ask.remote(ticket, wish)

    def drop(self, ticket: str) -> None:
        """Forget a run that the server follows no more, and end it where it still computes."""
        running = self._runs.pop(ticket, None)
        if running is not None:
            self._end(running)

    def leave(self) -> None:
        """End; runs that were handed in are lost."""
        self._ends = True

    def _hear(self) -> bool:
        """Do what the server asks; False once it wants nothing more, or has gone."""
        try:
            while self._server.poll(0 if self._runs else _LOOK_SECONDS):
                method, *arguments = self._server.recv()
                getattr(self, method)(*arguments)
        except (EOFError, OSError):
            return False
        return not self._ends

    def _take_streams(self) -> None:
        free = {running.stream: running for running in self._runs.values() if not running.pending}
        if not free:  # each waits for the disk
            time.sleep(_LOOK_SECONDS if self._runs else 0.0)
            return
        ready, rest = self._ray.wait(list(free), num_returns=1, timeout=_LOOK_SECONDS)
        more, _ = self._ray.wait(rest, num_returns=len(rest), timeout=0) if rest else ([], [])
        for stream in (*ready, *more):
            running = free[stream]
            try:
                running.pending.extend(self._ray.get(next(stream)))
            except StopIteration:
                self._lose(running, "ended without a word")
            except Exception as error:  # the process, its node or what it sent is gone
                self._lose(running, _loss(error))

    def _take_pending(self, running: _Running) -> None:
        while running.pending and time.monotonic() >= running.retry_at:
            try:
                self._take(running, running.pending[0])
            except StoreUnavailableError as error:
                running.retry_at = time.monotonic() + _RETRY_SECONDS
                self._say_waiting(running, f"{error} The run waits and goes on by itself once that is mended.")
            except PalimpsestError as error:
                self._tell("over", running.job.ticket, type(error)(str(error)))
                self.drop(running.job.ticket)
                return
            else:
                running.pending.popleft()
                self._say_waiting(running, "")

    def _take(self, running: _Running, message: Message) -> None:
        ticket = running.job.ticket
        match message:
            case Computing():
                running.node = message.node
                self._tell("computing", ticket, message.node)
            case FilePart():
                running.receiver.take_part(message)
            case SameFile():
                running.receiver.take_same(message)
            case FilesWhole():
                running.receiver.take_whole(message)
            case Events():
                self._tell("events", ticket, message)
            case Over():
                self._tell("over", ticket, message.error)
                del self._runs[ticket]
                self._forget(running)

    def _say_waiting(self, running: _Running, trouble: str) -> None:
        if trouble != running.trouble:
            running.trouble = trouble
            self._tell("waiting", running.job.ticket, trouble)

    def _lose(self, running: _Running, why: str) -> None:
        where = f"on node {running.node}" if running.node else "on the cluster"
        self._runs.pop(running.job.ticket, None)
        self._end(running)
        self._tell("lost", running.job.ticket, f"The process that trained {where} {why}.")

    def _end(self, running: _Running) -> None:
        with contextlib.suppress(Exception):  # it may have ended, or its node may be gone
            self._ray.cancel(running.stream, force=True)
        self._forget(running)

    def _forget(self, running: _Running) -> None:
        running.receiver.clear()
        self._exchange.remove.remote(running.job.ticket)

    def _see_nodes(self) -> None:
        """Tell the server of the nodes, once each new one has said what it is."""
        if time.monotonic() < self._next_nodes:
            return
        self._next_nodes = time.monotonic() + _NODES_SECONDS
        alive = {each["NodeID"]: each for each in self._ray.nodes() if each["Alive"]}
        for node_id in alive.keys() - self._facts.keys() - self._probes.keys():
            probe = self._probe.options(num_cpus=0, scheduling_strategy=self._only_on(node_id))
            self._probes[node_id] = probe.remote(), time.monotonic()
        for node_id, (answer, since) in list(self._probes.items()):
            self._hear_probe(node_id, answer, since)
        nodes = [self._node(each) for node_id, each in alive.items() if node_id in self._facts]
        if nodes != self._nodes:
            self._nodes = nodes
            self._tell("nodes", nodes)
        for running in list(self._runs.values()):
            if running.node_id not in alive:
                self._lose(running, "is gone with its node")

    def _only_on(self, node_id: str) -> Any:
        return self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id, soft=False)

    def _hear_probe(self, node_id: str, answer: Any, since: float) -> None:
        ready, _ = self._ray.wait([answer], timeout=0)
        if not ready and time.monotonic() - since < _PROBE_SECONDS:
            return
        del self._probes[node_id]
        try:
            self._facts[node_id] = self._ray.get(answer, timeout=0)
        except Exception as error:  # a node without the project's packages can't even begin
            why = " ".join(str(error).split())[:200]
            self._facts[node_id] = {"node": node_id[:8], "versions": {}, "trouble": f"{type(error).__name__}: {why}"}

    def _node(self, given: dict[str, Any]) -> Node:
        facts, has = self._facts[given["NodeID"]], given["Resources"]
        name = facts["node"]
        return Node(
            given["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0), facts.get("arithmetic", {}),
            refusal_of(f"The node {name} ({given['NodeManagerAddress']})", facts, self._versions),
        )  # fmt: skip

    def _tell(self, *answer: Any) -> None:
        self._server.send(answer)


def main(server: Connection, address: str, data_folder: Path) -> None:
    """Connect and serve, in the gateway's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server hears Ctrl-C and asks for a stop
    prepare(address)
    _speak_into(data_folder / LOG)
    try:
        with tempfile.TemporaryDirectory(prefix="palimpsest-code-") as code, contextlib.suppress(BrokenPipeError):
            connect(address, Path(code))
            Gateway(server, data_folder).work()
        _leave()
    except PlacesError as error:
        server.send(("refused", str(error)))
    except Exception as error:  # the server must hear why nothing comes any more
        traceback.print_exc()
        why = (
            f"The work with the Ray cluster failed in a way it should not ({type(error).__name__}); "
            f"{data_folder / LOG} says where."
        )
        server.send(("refused", why))
    os._exit(0)  # threads of Ray may not hold the process


def _speak_into(log: Path) -> None:
    """Let all that this process and Ray's libraries in it print go to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(opened, 1)
    os.dup2(opened, 2)


def _leave() -> None:
    import ray

    ray.shutdown()


def _loss(error: Exception) -> str:
    """What became of a run's process, to follow on its name."""
    name, text = type(error).__name__, " ".join(str(error).split())
    if name == "OutOfMemoryError":
        return "was ended by Ray, since its node ran out of memory"
    if name in ("WorkerCrashedError", "LocalRayletDiedError"):
        return "died, or its node is gone"
    if name in (
        "NodeDiedError",
        "ObjectLostError",
        "ObjectFetchTimedOutError",
        "OwnerDiedError",
        "TaskUnschedulableError",
    ):
        return "is gone with its node"
    return f"was lost ({name}: {text[:300]})"
