"""Many sessions that watch, reload and upload while runs train: errors, memory over time, and the same numbers."""

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.dashboard.server import Server, serve
from benchmarks.dashboard.visitors import FAILURES, PATIENCE_SECONDS, Tally, Visits, visits_of
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.training import Training
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tasks import samples

PAGES = ("", "tasks", "experiment", "live", "live", "live", "compare")
"""Live is watched most."""
_SAMPLE_SECONDS = 5.0
_LIGHT_SECONDS, _BROWSER_SECONDS = (2.0, 40.0), (40.0, 160.0)
"""A visitor stays on a page for; Chromium takes two or three seconds of a core to open one."""


@dataclass
class Load:
    """The measurements under load."""

    tally: Tally = field(default_factory=Tally)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the beginning, and the server's resident memory in MB."""
    finished_runs: int = 0
    differing_runs: list[str] = field(default_factory=list)

    def slope(self) -> float:
        """MB an hour, by least squares over the second half: the first fills caches."""
        later = np.array(self.memory[len(self.memory) // 2 :])
        return float(np.polyfit(later[:, 0], later[:, 1], 1)[0] * 3600)


async def measure_load(folder: Path, sessions: int, minutes: float, browser: bool = False) -> Load:
    """`sessions` visitors for so many minutes, on each page some seconds, while one experiment after another trains."""
    load, store, ends = Load(), Store(folder), time.monotonic() + 60 * minutes
    ids = [store.add_experiment(_experiment())]
    with serve(folder) as server:
        watch = asyncio.create_task(_watch_memory(server, load))
        async with visits_of(server, load.tally, browser) as make:
            seconds = _BROWSER_SECONDS if browser else _LIGHT_SECONDS
            visits = [asyncio.create_task(_visit(make, load, ends, random.Random(n), seconds)) for n in range(sessions)]
            while time.monotonic() < ends:
                if not set(store.runs()["status"]) & {"queued", "running"}:
                    ids.append(store.add_experiment(_experiment()))
                await asyncio.sleep(1)
            await asyncio.gather(*visits)
        watch.cancel()
        for run_id in store.runs().query("status in ['queued', 'running']")["run_id"]:
            store.request(run_id, "stop")
        await asyncio.sleep(3)
    with tempfile.TemporaryDirectory() as alone:
        run_experiment(_experiment(), Path(alone))
        undisturbed = Store(Path(alone))
        _compare(load, store, undisturbed)
        undisturbed.close()
    store.close()
    return load


def _experiment() -> Experiment:
    """About a minute of training of two strategies."""
    return Experiment(
        name="load",
        model="tiny-gpt2",
        tasks=tuple(sample.spec for sample in samples()[:2]),
        training=Training(epochs=1, stage_tokens=12_000, device="cpu"),
        strategies=(StrategySpec(name="naive"), StrategySpec(name="replay+ewc")),
        seeds=(0,),
    )


async def _visit(make: Visits, load: Load, ends: float, chance: random.Random, seconds: tuple[float, float]) -> None:
    """One visitor: page after page, each for so many seconds, until the end."""
    while time.monotonic() < ends:
        page = chance.choice(PAGES)
        visitor, began = make(page), time.monotonic()
        try:
            await asyncio.wait_for(visitor.open(), PATIENCE_SECONDS)
            load.tally.opened += 1
            load.tally.opening_seconds.append(time.monotonic() - began)
            if chance.random() < 0.2:
                await visitor.send_file()
            await asyncio.sleep(min(chance.uniform(*seconds), max(0.0, ends - time.monotonic())))
        except FAILURES as error:
            load.tally.errors.append(f"{page}: {type(error).__name__}: {error}")
        finally:
            await visitor.close()


async def _watch_memory(server: Server, load: Load) -> None:
    began = time.monotonic()
    while True:
        load.memory.append((time.monotonic() - began, server.resident_mb()))
        await asyncio.sleep(_SAMPLE_SECONDS)


def _compare(load: Load, store: Store, undisturbed: Store) -> None:
    """Every finished run against the same one that nobody watched."""
    alone = undisturbed.runs().set_index("label")["run_id"]
    for run in store.runs().query("status == 'finished'").itertuples():
        load.finished_runs += 1
        for table in ("losses", "matrix", "curve"):
            mine = getattr(store, table)(run.run_id).drop(columns="run_id")
            if not mine.equals(getattr(undisturbed, table)(alone[run.label]).drop(columns="run_id")):
                load.differing_runs.append(f"{run.run_id}: {table}")


def load_summary(load: Load, minutes: float, sessions: int) -> str:
    """Say what was seen."""
    memory = [megabytes for _, megabytes in load.memory]
    half, most = np.quantile(load.tally.opening_seconds, [0.5, 0.95])
    lines = [
        f"{sessions} sessions for {minutes:g} minutes: {load.tally.opened} pages opened, "
        f"{load.tally.uploads} files uploaded, {len(load.tally.errors)} errors; a page was there after "
        f"{half:.1f} s (median), {most:.1f} s (95%).",
        f"Server memory: {memory[0]:.0f} MB at first, {max(memory):.0f} MB at most, {memory[-1]:.0f} MB at last; "
        f"{load.slope():+.0f} MB an hour over the second half.",
        f"{load.finished_runs} runs finished, {len(load.differing_runs)} of them with other numbers than undisturbed.",
    ]
    return "\n".join([*lines, *load.tally.errors[:20], *load.differing_runs])
