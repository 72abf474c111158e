"""Palimpsest's engine. In a notebook:

from engine import load_experiment, run_experiment
results = run_experiment(load_experiment(Path("experiment.yaml")), Path("out"))

Its rooms are folders, each of which says what comes in, what goes out and what it may import.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.experiments.yaml_file import load_experiment
    from engine.running.headless import run_experiment
    from engine.running.joining import join

# Threads that wait by spinning are a sixth faster on an idle machine and ten times slower on one with other work, such
# as a browser that shows the live page; a spin of microseconds costs nothing. All of these are read when torch is
# loaded; docs/log.md has the figures.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# Compiled matrix products, one for each size, that oneDNN keeps: of its own 1,024 a run hardly uses one again, and
# they take up to 0.4 GB.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

__all__ = ["join", "load_experiment", "run_experiment"]

_HOMES = {
    "join": "engine.running.joining",
    "load_experiment": "engine.experiments.yaml_file",
    "run_experiment": "engine.running.headless",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import engine.common.paths` does not load torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
