"""The process on a node that computes one run: Ray starts it for the run, and it ends with it."""

from __future__ import annotations

import importlib.metadata
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ray

if TYPE_CHECKING:
    from engine.cluster.job import Job, NeededFile
    from engine.cluster.messages import Message

_ANSWER_SECONDS = 60.0
"""A call without an answer is made again after so long."""
PACKAGES = ("ray", "torch", "transformers", "tokenizers", "safetensors", "peft", "numpy")
"""The packages whose versions must be those of the machine that asks."""


class RayDriver:
    """The machine that asked for a run, by its `Exchange`."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    def wish(self, ticket: str, known: str) -> str:
        return str(self._call("wish", ticket, known))

    def read(self, ticket: str, needed: NeededFile, offset: int, length: int) -> bytes:
        return bytes(self._call("read", ticket, needed.name, offset, length))

    def result_files(self, ticket: str, key: str) -> dict[str, int] | None:
        found: dict[str, int] | None = self._call("result_files", ticket, key)
        return found

    def read_result(self, ticket: str, key: str, name: str, offset: int, length: int) -> bytes:
        return bytes(self._call("read_result", ticket, key, name, offset, length))

    def _call(self, name: str, *arguments: Any) -> Any:
        while True:
            try:
                return ray.get(getattr(self._exchange, name).remote(*arguments), timeout=_ANSWER_SECONDS)
            except ray.exceptions.GetTimeoutError:
                continue  # a network that stalls: Ray ends this process where the other machine is gone


def compute(job: Job, exchange: Any) -> Iterator[list[Message]]:
    """Compute a run, as a task of Ray."""
    if not job.uses_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from engine.cluster.run_on_node import run_on_node  # after that: it loads torch

    yield from run_on_node(job, RayDriver(exchange))


def probe() -> dict[str, Any]:
    """The facts of this node that decide whether it can compute runs, and to which numbers."""
    facts: dict[str, Any] = {"node": socket.gethostname(), "versions": package_versions()}
    try:
        import torch

        from engine.models.machine import arithmetic_of_node

        facts["gpus"] = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        facts["arithmetic"] = arithmetic_of_node()
    except Exception as error:  # of any package: the node is refused by name
        facts["trouble"] = f"{type(error).__name__}: {error}"
    return facts


def package_versions() -> dict[str, str | None]:
    """The installed versions of what decides a run's numbers; None for a package that is missing."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
