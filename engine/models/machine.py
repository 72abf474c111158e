"""The machine that a run computes on: its device, arithmetic and libraries, and the model that the run begins from."""

import os
import platform
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from engine.common.errors import ModelError
from engine.models.loading import locate, revision_of, weights_hash


def choose_device(wanted: str) -> str:
    """The device that "auto" stands for. Raises ModelError where the wanted one is missing."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[wanted]:
        raise ModelError(f"training.device: there is no {wanted} device on this machine; choose auto or cpu.")
    return wanted


def choose_precision(wanted: str, device: str) -> str:
    """The arithmetic that "auto" stands for on `device`."""
    if wanted != "auto":
        return wanted
    if device == "cpu":
        has = torch.cpu.get_capabilities()
        return "bfloat16" if has.get("avx512_bf16") or has.get("amx_bf16") else "float32"
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def choose_threads(wanted: int | None) -> int:
    """The number of threads that None stands for: that of the thread that asks."""
    return wanted or torch.get_num_threads()


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Compute with this number of threads in the thread that asks for it, and with its own number afterwards."""
    before = torch.get_num_threads()
    _set_threads(threads)
    try:
        yield
    finally:
        _set_threads(before)


def _set_threads(number: int) -> None:
    """Set the number for this thread alone: torch would also give it to every thread that computes for the first
    time, so another thread puts back what these are given."""
    with ThreadPoolExecutor(1) as other:
        given = other.submit(torch.get_num_threads).result()
        torch.set_num_threads(number)
        other.submit(torch.set_num_threads, given).result()


def environment(device: str, precision: str, threads: int) -> dict[str, Any]:
    """Versions, device, threads and commit: what else than configuration and seed decides a run's numbers; and the
    name of the machine, which decides nothing."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{device} ({platform.machine()})",
        "precision": precision,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "cpus": os.cpu_count(),
        "node": socket.gethostname(),
        "commit": _commit(),
    }


def arithmetic_of_node() -> dict[str, str]:
    """The facts of this machine's arithmetic whatever a run chooses: of its CPU, of its GPU, and of the libraries."""
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cpu": f"cpu ({platform.machine()})",
        "cpu_precision": choose_precision("auto", "cpu"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "gpu_precision": choose_precision("auto", "cuda") if torch.cuda.is_available() else "",
    }


def here() -> dict[str, Any]:
    """The facts that a run computed elsewhere takes from the machine that asked for it."""
    return {"commit": _commit()}


def model_facts(name: str) -> dict[str, str]:
    """Which model a run began from: a hash of its files, and of a model of the hub the commit that they are of."""
    folder = locate(name)
    revision = revision_of(name, folder)
    return {"model_hash": weights_hash(folder, name)} | ({"model_revision": revision} if revision else {})


def _commit() -> str | None:
    """The project's commit; None outside a git checkout."""
    folder = Path(__file__).resolve().parent
    try:
        command = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=5)  # noqa: S603 - constant
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
