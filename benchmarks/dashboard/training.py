"""Training beside watchers: how fast it stays, and how soon a point is on the screen."""

import asyncio
import bisect
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.dashboard.server import Server, serve
from benchmarks.dashboard.watchers import Watcher, closed, opened
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.training import Training
from engine.store import Store
from engine.store.schema import steps as steps_table
from engine.tasks import samples

_START_SECONDS = 60.0
_SETTLE_SECONDS = 3.0
_LOOK_SECONDS = 0.02


@dataclass
class Recorded:
    """When (seconds since 1970) the store had which step and how many target tokens."""

    at: list[float] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    def tokens_per_second(self, begin: float, end: float) -> float:
        """From the first to the last batch of steps that was written in that time."""
        first, last = bisect.bisect_left(self.at, begin), bisect.bisect_right(self.at, end) - 1
        return (self.tokens[last] - self.tokens[first]) / (self.at[last] - self.at[first])

    def late_seconds(self, seen: Sequence[tuple[float, int]], begin: float, end: float) -> list[float]:
        """How long after it was written every batch of steps that was written in that time was seen."""
        shown = [step for _, step in seen]
        written = [(at, step) for at, step in zip(self.at, self.step, strict=True) if begin <= at <= end]
        places = [(at, bisect.bisect_left(shown, step)) for at, step in written]
        return [seen[place][0] - at for at, place in places if place < len(seen)]


@dataclass
class Window:
    """The measurements while some watched."""

    watchers: int
    tokens_per_second: float
    server_cores: float
    other_cores: float
    """Taken by what has nothing to do with the measurement."""
    late_seconds: list[float]

    @property
    def cpu_seconds_per_token(self) -> float:
        """Of the server, which trains and answers: it says what watchers take where others work on the machine too."""
        return self.server_cores / self.tokens_per_second


def long_run() -> Experiment:
    """Plain fine-tuning of the embedded model that outlasts any measurement."""
    return Experiment(
        name="long",
        model="tiny-gpt2",
        tasks=tuple(sample.spec for sample in samples()[:2]),
        training=Training(epochs=500, learning_rate=1e-4, tokens_per_step=512, evaluation_tokens=512),
        strategies=(StrategySpec(name="naive"),),
        seeds=(0,),
    )


async def measure_training(
    folder: Path, counts: Sequence[int], rounds: int, seconds: float, open_pages: Callable[..., Any]
) -> list[Window]:
    """Rounds of all `counts` in turn over one run; `open_pages` makes that many watchers."""
    store = Store(folder)
    store.add_experiment(long_run())
    recorded, windows = Recorded(), []
    with serve(folder) as server:
        _, tasks = await opened([Watcher(server.address, "live")])  # the first page starts the runner
        run_id = str(store.runs()["run_id"].iloc[0])
        record = asyncio.create_task(_record(store, run_id, recorded))
        async with asyncio.timeout(_START_SECONDS):
            while not recorded.step:
                await asyncio.sleep(0.1)
        await closed(tasks)
        await asyncio.sleep(_SETTLE_SECONDS)
        for number in range(rounds):
            turn = counts if number % 2 == 0 else counts[::-1]
            for count in turn:
                windows.append(await _window(server, count, seconds, recorded, open_pages))
                print(_line(windows[-1]), flush=True)
        record.cancel()
        store.request(run_id, "stop")
    store.close()
    return windows


async def _window(
    server: Server, count: int, seconds: float, recorded: Recorded, open_pages: Callable[..., Any]
) -> Window:
    async with open_pages(server, count) as seen:
        await asyncio.sleep(_SETTLE_SECONDS)
        began, cpu, others = time.time(), server.cpu_seconds(), server.cpu_seconds_of_others()
        await asyncio.sleep(seconds)
        cpu, others = server.cpu_seconds() - cpu, server.cpu_seconds_of_others() - others
        ended = time.time()
        await asyncio.sleep(_SETTLE_SECONDS)
        late = recorded.late_seconds(await seen(), began, ended)
    took = ended - began
    return Window(count, recorded.tokens_per_second(began, ended), cpu / took, others / took, late)


async def _record(store: Store, run_id: str, recorded: Recorded) -> None:
    query = select(func.max(steps_table.c.step), func.sum(steps_table.c.target_tokens)).where(
        steps_table.c.run_id == run_id
    )
    version = -1
    while True:
        if store.version() != version:
            version = store.version()
            with store._reading() as connection:
                step, tokens = connection.execute(query).one()
            if step and (not recorded.step or step > recorded.step[-1]):
                recorded.at.append(time.time())
                recorded.step.append(step)
                recorded.tokens.append(tokens)
        await asyncio.sleep(_LOOK_SECONDS)


def summary(windows: Sequence[Window], quiet_cores: float) -> str:
    """Medians by number of watchers, over the windows in which nothing else took more than `quiet_cores`."""
    quiet = [window for window in windows if window.other_cores <= quiet_cores]
    lines = [f"{len(quiet)} of {len(windows)} measurements count."]
    alone = [window.tokens_per_second for window in quiet if window.watchers == 0]
    costs = {
        count: statistics.median(window.cpu_seconds_per_token for window in windows if window.watchers == count)
        for count in sorted({window.watchers for window in windows})
    }
    for count in sorted({window.watchers for window in quiet}):
        own = [window for window in quiet if window.watchers == count]
        rate = statistics.median(window.tokens_per_second for window in own)
        text = f"{count} watching ({len(own)} times): {rate:,.0f} tokens a second"
        if count and alone:
            text += f", {100 * (1 - rate / statistics.median(alone)):.1f} % less than with nobody"
        late = sorted(1000 * each for window in own for each in window.late_seconds)
        if late:
            text += f"; a point is there after {statistics.median(late):.0f} ms, 95 % after {_quantile(late, 0.95):.0f}"
        lines.append(text + ".")
    for count in costs:
        if count and 0 in costs:
            more = 100 * (costs[count] / costs[0] - 1)
            lines.append(f"{count} watching: {more:+.1f} % processor time for a token, over all measurements.")
    return "\n".join(lines)


def _line(window: Window) -> str:
    late = sorted(1000 * each for each in window.late_seconds)
    text = f"  {window.watchers} watching: {window.tokens_per_second:,.0f} tokens a second, "
    text += f"server {window.server_cores:.2f} cores, others {window.other_cores:.2f}"
    return text + (f", late median {statistics.median(late):.0f} ms of {len(late)}" if late else "")


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
