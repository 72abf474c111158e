"""An experiment that kills itself: `python -m tests.torture.victim EXPERIMENT OUT RUN PLACE COUNT`."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from engine.events import Event, RunFinished
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.yaml_file import load_experiment

PLACES = {
    "in a step": ("engine.training.step", "accumulate_gradients", "after"),
    "after a step": ("engine.training.loop", "take_step", "after"),
    "writing the journal": ("engine.persistence.journal", "Journal.add", "before"),
    "before a checkpoint is sealed": ("engine.common.durable_files", "seal", "before"),
    "before a checkpoint is renamed": ("engine.common.durable_files", "seal", "after"),
    "after a checkpoint was renamed": ("engine.persistence.checkpoints", "write_folder", "after"),
    "before a commit": ("engine.store.progress", "ProgressWriter._record", "after"),
    "after a commit": ("engine.store.progress", "ProgressWriter.record_batches", "after"),
    "in the Fisher estimate": ("engine.strategies.tools.fisher", "_Estimate.add_together", "after"),
    "in the writing of texts": ("engine.strategies.tools.samples", "_continued", "after"),
    "storing distributions": ("engine.strategies.tools.stored", "_top", "after"),
    "before a stage": ("engine.training.loop", "open_stage", "before"),
    "in scoring": ("engine.training.scoring", "predictions", "after"),
    "between stages": ("engine.persistence.resume_points", "ResumePoints.clear", "before"),
    "while points are removed": ("engine.persistence.resume_points", "ResumePoints.clear", "after"),
    "before a state is dropped": ("engine.persistence.checkpoints", "take_out", "before"),
    "while a state is dropped": ("engine.common.durable_files", "write_text", "after"),
    "after a state was dropped": ("engine.persistence.checkpoints", "take_out", "after"),
    "keeping what is shared": ("engine.persistence.shared_results", "SharedResults.keep", "before"),
}
ANY_TIME = "at any time"
NOWHERE = "nowhere"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plant(place: str, count: float) -> None:
    """Die at the `count`-th passage of `place`, or `count` seconds from now."""
    if place == ANY_TIME:
        timer = threading.Timer(count, die)
        timer.daemon = True
        timer.start()
        return
    module, path, when = PLACES[place]
    owner: Any = importlib.import_module(module)
    *owners, name = path.split(".")
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, name, _counted(getattr(owner, name), int(count), when))


def _counted(real: Callable[..., Any], count: int, when: str) -> Callable[..., Any]:
    passed = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal passed
        passed += 1
        if passed == count and when == "before":
            die()
        result = real(*args, **kwargs)
        if passed == count:
            die()
        return result

    return wrapped


def executed(label: str, place: str, count: float, experiment: Experiment, run: RunSpec, *rest: Any) -> Iterator[Event]:
    """The events of a run; that of this label dies at the `count`-th passage of `place`, or before its last event."""
    from engine.execution.execute import execute_run

    if run.label != label:
        yield from execute_run(experiment, run, *rest)
        return
    plant(place, count)
    for event in execute_run(experiment, run, *rest):
        if isinstance(event, RunFinished):
            die()
        yield event


def main() -> None:
    experiment, out, label, place, count = sys.argv[1:]
    from engine.running.headless import run_experiment

    execute = partial(executed, label, place, float(count))
    found = run_experiment(load_experiment(Path(experiment)), Path(out), resume=True, execute=execute)
    if any(run["status"] != "finished" for run in found["runs"]):
        sys.exit(f"not finished: {[(run['label'], run['status'], run['reason']) for run in found['runs']]}")


if __name__ == "__main__":
    main()
