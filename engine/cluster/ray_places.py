"""The nodes of a Ray cluster as places for runs."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cluster.gateway_process import GatewayProcess
from engine.cluster.job import make_job
from engine.cluster.messages import Events
from engine.cluster.nodes import Need, Node, kind_of, like_nodes, most_free, places_of, refusal_of_need
from engine.cluster.sending import SHARED
from engine.common.errors import PlacesError, TaskError, WorkerLostError
from engine.events import Event, Phase, RunStarted, RunStopped, StageFinished, Waiting
from engine.events.control import Control
from engine.execution.execute import point_seconds
from engine.execution.places import Place
from engine.models.machine import here, model_facts

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment, RunSpec

JOINING = "The Ray cluster is being joined; runs begin once its nodes have said what they can compute."
_LOOK_SECONDS = 0.25
_STOP_SECONDS = 60.0
"""A run that was asked to stop and has not ended after so long is given up."""


class RayPlaces:
    """Places on the nodes of the cluster at `PALIMPSEST_RAY_ADDRESS`. Implements `Places`."""

    def __init__(self, data_folder: Path) -> None:
        self._gateway = GatewayProcess(data_folder)
        self._used: dict[Place, tuple[str, Need]] = {}
        """The node of each place that is taken, and what its run needs of it."""
        self._first: dict[str, Mapping[str, str]] = {}
        """By experiment, the kind of node that its first run was sent to, until one has recorded where it computes."""
        self._taking = threading.Lock()

    def take(self, experiment: Experiment, machine: Mapping[str, Any] | None) -> Place | None:
        nodes = self._gateway.nodes()
        if nodes is None:
            raise PlacesError(JOINING)
        need = need_of(experiment, nodes)
        with self._taking:
            allowed = self._allowed(experiment, need, nodes, machine)
            if not allowed:
                raise PlacesError(refusal_of_need(nodes, need, machine if experiment.resources.like_nodes else None))
            node = most_free(allowed, need, self._used.values())
            if node is None:
                return None
            place = Place(partial(self._execute, need, node.node_id), f"node {node.name}")
            self._used[place] = node.node_id, need
            return place

    def give_back(self, place: Place) -> None:
        with self._taking:
            self._used.pop(place, None)

    def close(self) -> None:
        self._gateway.close()

    def _allowed(
        self, experiment: Experiment, need: Need, nodes: tuple[Node, ...], machine: Mapping[str, Any] | None
    ) -> list[Node]:
        if not experiment.resources.like_nodes:
            return [node for node in nodes if not node.refusal and places_of(node, need)]
        key = experiment.model_dump_json() if machine is None else ""
        first = machine or self._first.get(key)
        found = like_nodes(nodes, need, first)
        if not found and machine is None:  # all nodes of that kind went before any run had begun
            found = like_nodes(nodes, need, None)
        if found and machine is None:
            self._first[key] = dict(kind_of(found[0], need))
        return found

    def _execute(
        self,
        need: Need,
        node_id: str,
        experiment: Experiment,
        run: RunSpec,
        folder: Path,
        control: Control,
        finished_stages: int = 0,
        shared_folder: Path | None = None,
    ) -> Iterator[Event]:
        """Execute a run there, as `execute_run` does here. Raises WorkerLostError where its process or node is gone."""
        ticket = f"{folder.name}-{secrets.token_hex(4)}"
        shared = shared_folder if shared_folder is not None else folder.parent / SHARED
        yield Phase("sending the run to the cluster")
        try:
            job = make_job(ticket, experiment, run, folder, finished_stages, need, point_seconds(), shared)
        except OSError as error:
            raise TaskError(f"{error.filename}: this file can't be read ({error.strerror}); put it back.") from error
        inbox = self._gateway.inbox(ticket)
        try:
            if not self._gateway.send("submit", job, folder, shared, need, node_id):
                raise WorkerLostError("The connection to the Ray cluster was lost before the run was sent.")
            yield Phase("waiting for its node")
            facts = here() | model_facts(experiment.model)
            for event in self._followed(ticket, inbox, control):
                yield _as_here(event, folder, facts)
        finally:
            self._gateway.leave(ticket)

    def _followed(self, ticket: str, inbox: queue.SimpleQueue[tuple[Any, ...]], control: Control) -> Iterator[Event]:
        """Yield what comes of a run, and pass on what is wished of it."""
        asked, stop_asked, has_begun = "go on", float("inf"), False
        while True:
            wanted = "stop" if control.stopping else "pause" if control.paused else "go on"
            if wanted != asked:
                asked = wanted
                self._gateway.send("ask", ticket, wanted)
                stop_asked = time.monotonic() if wanted == "stop" else stop_asked
            if wanted == "stop" and not has_begun:
                raise WorkerLostError("The run had not begun on its node.")
            if time.monotonic() - stop_asked > _STOP_SECONDS:
                raise WorkerLostError("The run did not stop when it was asked to.")
            try:
                kind, *content = inbox.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if kind == "events":
                batch: Events = content[0]
                control.paused_seconds = batch.paused_seconds
                yield from batch.events
            elif kind == "computing":
                has_begun = True
                yield Phase(f"beginning on node {content[0]}")
            elif kind == "waiting":
                yield Waiting(content[0])
            elif kind == "lost":
                raise WorkerLostError(content[0])
            elif content[0] is None:
                return
            else:
                raise content[0]


def need_of(experiment: Experiment, nodes: tuple[Node, ...]) -> Need:
    """What a run of the experiment asks of a node: one CPU, and a GPU where it wants one or any node has one."""
    asked, device = experiment.resources, experiment.training.device
    wants = device == "cuda" or (device == "auto" and any(node.gpus for node in nodes if not node.refusal))
    gpus = asked.gpus if asked.gpus is not None else float(wants)
    return Need(asked.cpus or 1, gpus, experiment.training.precision == "auto")


def _as_here(event: Event, folder: Path, facts: dict[str, Any]) -> Event:
    """The event with the places and the facts of this machine."""
    if isinstance(event, StageFinished):
        return replace(event, checkpoint=folder / event.checkpoint)
    if isinstance(event, RunStopped) and event.checkpoint is not None:
        return replace(event, checkpoint=folder / event.checkpoint)
    if isinstance(event, RunStarted):
        return replace(event, environment=event.environment | facts)
    return event
