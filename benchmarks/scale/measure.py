"""One measurement: executors, driver and onlooker as processes of their own."""

import contextlib
import itertools
import multiprocessing
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale import driving, executors
from benchmarks.scale.story import Story
from benchmarks.scale.watching import LOOK_SECONDS, Onlooker, cpu_seconds, peak_mb

_PLAYERS = 4
"""The processes that play all executors."""


@dataclass(frozen=True)
class Measured:
    """What one measurement found."""

    runs: int
    executors: int
    steps: int
    """Of all runs together."""
    seconds: float
    """From the first claim of a run to the end of the last."""
    driver_seconds: float
    """Processor time of the driver in that time."""
    driver_cores: float
    """Processor seconds of the driver a second, while all runs were under way."""
    peak_mb: float
    store_bytes_per_step: float
    late_seconds: float
    """Median time from a step to its row being readable; the executor's batch, of half a second at most, is in it."""
    late_seconds_95: float
    late_after_arrival_seconds: float
    """Median time from a batch being sent to its rows being readable."""
    late_after_arrival_seconds_95: float

    @property
    def steps_per_second(self) -> float:
        return self.steps / self.seconds


def measure(runs: int, at_once: int, story: Story, steps_per_second: float | None, settle_seconds: float) -> Measured:
    """Take `runs` runs through `at_once` executors; the driver's cores are measured after `settle_seconds`."""
    spawning = multiprocessing.get_context("spawn")
    started, results = spawning.Event(), spawning.Queue()
    with tempfile.TemporaryDirectory() as name:
        folder, address = Path(name), f"{name}/driver"
        driver = spawning.Process(target=driving.work, args=(address, folder, at_once, runs, started))
        driver.start()
        assert driver.pid is not None
        while not Path(address).exists():
            time.sleep(LOOK_SECONDS)
        bounds = [at_once * number // _PLAYERS for number in range(_PLAYERS + 1)]
        numbers = [range(first, last) for first, last in itertools.pairwise(bounds) if last > first]
        players = [
            spawning.Process(target=executors.play, args=(address, each, story, steps_per_second, results))
            for each in numbers
        ]
        for player in players:
            player.start()
        started.wait()
        began, cpu = time.time(), cpu_seconds(driver.pid)
        onlooker = Onlooker(folder / "palimpsest.db")
        cores, memory, used = _watch(driver.pid, onlooker, began, settle_seconds, runs * story.steps)
        sent = [batch for _ in players for batch in results.get()]
        ended = max(batch[-1] for batch in sent)
        onlooker.close()
        driver.join()
        size = _size(folder / "palimpsest.db")
        late, arrived = _lateness(onlooker, sent)
        return Measured(
            runs, at_once, runs * story.steps, ended - began, used - cpu, cores, memory, size / (runs * story.steps),
            *_of(late), *_of(arrived),
        )  # fmt: skip


def _watch(
    driver: int, onlooker: Onlooker, began: float, settle_seconds: float, steps: int
) -> tuple[float, float, float]:
    """Look on until the driver is done: the cores that it took from `settle_seconds` on while nine tenths of the steps
    came, the most memory, and all its processor time."""
    cores, memory, used, first = 0.0, 0.0, 0.0, None
    with contextlib.suppress(OSError, IndexError, StopIteration):  # it has ended
        while True:
            onlooker.look()
            now, used, memory = time.time(), cpu_seconds(driver), max(memory, peak_mb(driver))
            if first is None and now - began >= settle_seconds:
                first = now, used
            elif first is not None and onlooker.events() <= 0.9 * steps and now > first[0]:
                cores = (used - first[1]) / (now - first[0])
            time.sleep(LOOK_SECONDS)
    return cores, memory, used


def _size(file: Path) -> int:
    """The bytes of the database once all of it is in its file."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file.stat().st_size


def _lateness(
    onlooker: Onlooker, sent: Sequence[tuple[str, int, int, float, float]]
) -> tuple[list[float], list[float]]:
    """For every step, and for every batch, how long after it was done or sent it could be read."""
    late, arrived = [], []
    for run_id, first, last, since, at in sent:
        seen = onlooker.seen(run_id, last)
        if seen is None:
            continue
        arrived.append(seen - at)
        pace = (at - since) / (last - first + 1)
        late += [seen - (since + pace * number) for number in range(last - first + 1)]
    return late, arrived


def _of(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    if len(seconds) < 2:
        return float("nan"), float("nan")
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
