"""The places of this machine: as many runs at once as PALIMPSEST_PARALLEL says, each in a process of its own."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.common.errors import ConfigError
from engine.execution import worker_process
from engine.execution.places import Place
from engine.execution.worker_process import Execute, Share, chosen_worker, execute_in_process

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment

VARIABLE = "PALIMPSEST_PARALLEL"
AUTO = "auto"


class LocalPlaces:
    """Places on this machine. With one, a run executes where PALIMPSEST_WORKER says; with several, each in a worker
    process that sees one GPU and computes with its share of the CPU's threads.

    Where there are more places than GPUs, several runs share one, as evenly as can be: its memory has to hold them all.
    """

    def __init__(self, executes: Sequence[Execute], names: Sequence[str] | None = None) -> None:
        """A place for each of `executes`; those of one device have the same one of `names`."""
        self._executes, self._names = executes, names or [""] * len(executes)
        self._taken: dict[Place, int] = {}
        self._taking = threading.Lock()

    def take(self, experiment: Experiment, machine: Mapping[str, Any] | None) -> Place | None:
        """Take a place on the device that has the fewest runs; None while all places are in use."""
        with self._taking:
            busy = Counter(self._names[number] for number in self._taken.values())
            free = [number for number in range(len(self._executes)) if number not in self._taken.values()]
            if not free:
                return None
            number = min(free, key=lambda each: (busy[self._names[each]], each))
            place = Place(self._executes[number], self._names[number])
            self._taken[place] = number
            return place

    def give_back(self, place: Place) -> None:
        with self._taking:
            del self._taken[place]

    def close(self) -> None:
        """Nothing is held open: a worker process ends with its run."""


def local_places(parallel: int | str | None = None) -> LocalPlaces:
    """The places for so many runs at once, by the environment where `parallel` is None. Raises ConfigError."""
    count = runs_at_once(parallel)
    worker = chosen_worker()
    if count == 1:
        return LocalPlaces([worker])
    if os.environ.get(worker_process.VARIABLE, "").strip() == "thread":
        raise ConfigError(
            f"{worker_process.VARIABLE}: a thread executes one run at a time, and {count} at once need processes; "
            f"leave the variable out, or set {VARIABLE}=1."
        )
    import torch

    devices, threads = _gpus(), max(1, torch.get_num_threads() // count)
    of_places = [devices[number % len(devices)] if devices else None for number in range(count)]
    executes = [partial(execute_in_process, share=Share(threads, device, count)) for device in of_places]
    return LocalPlaces(executes, [f"GPU {device}" if device is not None else "" for device in of_places])


def runs_at_once(parallel: int | str | None = None) -> int:
    """How many runs go at once: a number, "auto" for one a GPU (one without any), by the environment where it is None.

    Raises ConfigError.
    """
    source = VARIABLE if parallel is None else "parallel"
    given = os.environ.get(VARIABLE, "") if parallel is None else str(parallel)
    chosen = given.strip() or "1"
    if chosen == AUTO:
        return max(1, len(_gpus()))
    if not (chosen.isascii() and chosen.isdigit()) or int(chosen) < 1:
        raise ConfigError(f"{source}: {given!r} is neither a number from 1 nor {AUTO}.")
    return int(chosen)


def _gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    count = torch.cuda.device_count()
    shown = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    return (shown or [str(number) for number in range(count)])[:count]
