"""Places that hold fake runs, as many at once as a test wants."""

import threading
from collections.abc import Mapping
from typing import Any

from engine.common.errors import PlacesError
from engine.execution.places import Place
from engine.execution.worker_process import Execute
from engine.experiments.experiment import Experiment


class FakePlaces:
    """`count` places that execute with `execute`; experiments named in `refused` find none."""

    def __init__(self, count: int, execute: Execute) -> None:
        self.count, self.execute = count, execute
        self.refused: set[str] = set()
        self.most_taken = 0
        self.machines: list[Mapping[str, Any] | None] = []
        """What each call of `take` was told of the experiment's machine."""
        self.closed = False
        self._taken: set[Place] = set()
        self._lock = threading.Lock()

    def take(self, experiment: Experiment, machine: Mapping[str, Any] | None) -> Place | None:
        with self._lock:
            self.machines.append(machine)
            if experiment.name in self.refused:
                raise PlacesError(f"No machine has the GPU that {experiment.name} needs; add one.")
            if len(self._taken) == self.count:
                return None
            place = Place(self.execute)
            self._taken.add(place)
            self.most_taken = max(self.most_taken, len(self._taken))
            return place

    def give_back(self, place: Place) -> None:
        with self._lock:
            self._taken.remove(place)

    def close(self) -> None:
        assert not self._taken
        self.closed = True
