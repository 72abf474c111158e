"""Where runs are computed: a place takes one run at a time, on this machine or on another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engine.execution.worker_process import Execute

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Place:
    """A place that was taken for a run."""

    execute: Execute
    """Executes the run there."""
    name: str = ""
    """The device or machine as pages name it; empty where there is only one."""


class Places(Protocol):
    """All places that a queue may fill. Methods may be called from any thread."""

    def take(self, experiment: Experiment, machine: Mapping[str, Any] | None) -> Place | None:
        """Take a place for a run of `experiment`, None while all are in use.

        `machine` is the environment that the experiment's first run has recorded, None before one has begun. Raises
        PlacesError where no place that is there, used or not, can hold such a run: the run stays in the queue.
        """

    def give_back(self, place: Place) -> None:
        """Free a place, whose run has ended."""

    def close(self) -> None:
        """Give up what the places hold open. Runs in them are to be stopped first."""
