"""A process that plays many executors: each computes one run after another and sends its events in batches.

An executor connects to the driver, is told which run it computes, and sends a batch at any event that is no step, and
of steps after `BATCH_SECONDS` at the latest. With no pace it sends as fast as the driver reads.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, wait
from pathlib import Path
from typing import Any

from benchmarks.scale.story import Story
from engine.events import Event, RunFinished, StepDone

BATCH_SECONDS = 0.5
_BATCH_EVENTS = 50
"""The most steps in a batch of an executor without a pace."""
_TICK_SECONDS = 0.01


@dataclass
class _Executor:
    """One of them, with the run that it computes."""

    connection: Connection
    events: Iterator[Event] | None = None
    run_id: str = ""
    due: float = 0.0
    """When the next step is done, in seconds since 1970."""
    batch: list[Event] = field(default_factory=list)
    since: float = 0.0
    """When the batch began."""


def play(address: str, numbers: range, story: Story, steps_per_second: float | None, results: Any) -> None:
    """Be the executors of these numbers until the driver says that all is done.

    `results` is a queue that gets a list of batches of steps: run, first and last step, when the first step was done,
    when the batch was sent (seconds since 1970).
    """
    executors = {}
    for number in numbers:
        connection = Client(address)
        connection.send(number)
        executors[connection] = _Executor(connection)
    sent: list[tuple[str, int, int, float, float]] = []
    while executors:
        busy = [each for each in executors.values() if each.events is not None]
        ready = wait(list(executors), 0 if busy and steps_per_second is None else _TICK_SECONDS)
        for executor in [each for connection, each in executors.items() if connection in ready]:
            told = executor.connection.recv()
            if told is None:
                executor.connection.close()
                del executors[executor.connection]
                continue
            executor.run_id, folder = told
            executor.events, executor.due = story.events(Path(folder)), time.time()
        for executor in busy:
            if executor.events is not None:
                _work(executor, steps_per_second, sent)
    results.put(sent)


def _work(executor: _Executor, steps_per_second: float | None, sent: list[tuple[str, int, int, float, float]]) -> None:
    """Take the steps that are due, or a batch of them, and send what must not wait."""
    assert executor.events is not None
    now = time.time()
    while steps_per_second is None or executor.due <= now:
        event = next(executor.events)
        if not executor.batch:
            executor.since = executor.due if steps_per_second else time.time()
        executor.batch.append(event)
        if isinstance(event, StepDone):
            executor.due += 1 / steps_per_second if steps_per_second else 0.0
            if steps_per_second is None and len(executor.batch) >= _BATCH_EVENTS:
                _send(executor, sent)
                return
            continue
        _send(executor, sent)
        if isinstance(event, RunFinished):
            executor.events = None
            return
    if executor.batch and now - executor.since >= BATCH_SECONDS:
        _send(executor, sent)


def _send(executor: _Executor, sent: list[tuple[str, int, int, float, float]]) -> None:
    steps = [event.step for event in executor.batch if isinstance(event, StepDone)]
    if steps:
        sent.append((executor.run_id, steps[0], steps[-1], executor.since, time.time()))
    executor.connection.send(executor.batch)
    executor.batch = []
