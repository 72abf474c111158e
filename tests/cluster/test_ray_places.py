"""Which node a run goes to, and what is made of its answers, without Ray: the gateway is a stand-in."""

import queue
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.cluster.nodes import Node
from engine.cluster.ray_places import RayPlaces
from engine.common.errors import PlacesError, WorkerLostError
from engine.events import Phase
from engine.events.control import Control
from tests.cluster.test_nodes import A, B
from tests.fake_runs import experiment


class FakeGateway:
    def __init__(self, *nodes: Node) -> None:
        self.found: tuple[Node, ...] = nodes
        self.sent: list[tuple[Any, ...]] = []
        self.answers: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def nodes(self) -> tuple[Node, ...]:
        return self.found

    def inbox(self, ticket: str) -> queue.SimpleQueue[tuple[Any, ...]]:
        return self.answers

    def send(self, *request: Any) -> bool:
        self.sent.append(request)
        return True

    def leave(self, ticket: str) -> None:
        self.sent.append(("drop", ticket))


def places_on(tmp_path: Path, *nodes: Node) -> tuple[RayPlaces, FakeGateway]:
    places = RayPlaces(tmp_path)
    gateway = FakeGateway(*nodes)
    places._gateway = gateway  # type: ignore[assignment]
    return places, gateway


def test_runs_keep_to_the_kind_of_node_of_the_first_one_before_it_has_recorded_any(tmp_path: Path) -> None:
    places, gateway = places_on(tmp_path, replace(A, cpus=1))
    described = experiment(tmp_path, resources={"cpus": 1, "gpus": 0})
    first = places.take(described, None)
    assert first is not None
    gateway.found = (replace(A, cpus=1), B)  # most places are now of another kind
    assert places.take(described, None) is None
    places.give_back(first)
    assert (again := places.take(described, None)) is not None
    assert again.name == "node a"
    gateway.found = (B,)
    assert (other := places.take(described, None)) is not None  # none has begun on the first kind, and it is gone
    assert other.name == "node b"
    with pytest.raises(PlacesError, match="no node of the cluster is like that"):
        places.take(described, {"instructions": "AVX512"})


def test_a_run_that_waits_for_its_node_is_stopped_at_once(tmp_path: Path) -> None:
    places, gateway = places_on(tmp_path, A)
    described, control = experiment(tmp_path, general="none"), Control()
    place = places.take(described, None)
    assert place is not None
    (tmp_path / "runs").mkdir()
    events = place.execute(described, described.runs()[0], tmp_path / "runs" / "a", control, 0, tmp_path / "shared")
    assert [next(events), next(events)] == [Phase("sending the run to the cluster"), Phase("waiting for its node")]
    control.stop()
    with pytest.raises(WorkerLostError, match="had not begun on its node"):
        next(events)
    assert [request[0] for request in gateway.sent] == ["submit", "ask", "drop"]
