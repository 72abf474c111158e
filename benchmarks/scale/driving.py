"""The driver process: a store, a connection to every executor, and a thread that drives each run."""

import os
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from benchmarks.scale.story import TASKS
from engine.driving.driver import drive
from engine.events import Event, RunFinished
from engine.events.control import Control
from engine.experiments.experiment import Experiment, RunSpec, experiment_from
from engine.store import Store


def work(address: str, folder: Path, executors: int, runs: int, started: Any) -> None:
    """Take `runs` runs through all executors at once, then end them. `started` is set as soon as the first begins."""
    store = Store(folder)
    experiment_id = store.add_experiment(_experiment(folder, runs))
    with Listener(address, backlog=executors) as listener:
        connections = [listener.accept() for _ in range(executors)]
    for connection in connections:
        connection.recv()
    claiming = threading.Lock()
    threads = [
        threading.Thread(target=_serve, args=(store, experiment_id, connection, claiming)) for connection in connections
    ]
    started.set()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


def _serve(store: Store, experiment_id: str, connection: Connection, claiming: threading.Lock) -> None:
    """Drive one run after another on one executor."""
    while True:
        with claiming:
            run_id = store.claim_next(experiment_id)
        if run_id is None:
            break
        drive(store, run_id, Control(), _Remote(connection))
    connection.send(None)
    connection.close()


class _Remote:
    """Stands in for `execute_run`: the events come from an executor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(
        self,
        experiment: Experiment,
        run: RunSpec,
        folder: Path,
        control: Control,
        finished: int = 0,
        shared: Any = None,
    ) -> Iterator[Event]:
        self._connection.send((folder.name, os.fspath(folder)))
        while True:
            batch = self._connection.recv()
            yield from batch
            if isinstance(batch[-1], RunFinished):
                return


def _experiment(folder: Path, runs: int) -> Experiment:
    tasks = []
    for task in TASKS:
        (folder / f"{task}.txt").write_text("\n\n".join(f"Note {n} of {task}." for n in range(20)), encoding="utf-8")
        tasks.append({"name": task, "train": [str(folder / f"{task}.txt")]})
    return experiment_from({"name": "scale", "tasks": tasks, "strategies": ["naive"], "seeds": list(range(runs))})
