"""`python -m benchmarks.dashboard`: what the dashboard costs on this machine."""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dashboard import stores
from benchmarks.dashboard.pages import browser_pages, light_pages
from benchmarks.dashboard.server import Server, serve
from benchmarks.dashboard.training import measure_training, summary
from benchmarks.dashboard.watchers import Watched, Watcher, closed, opened
from engine.runner import RunnerLock
from engine.store import Store

_WATCH_SECONDS = 12.0


async def refreshes(server: Server, query: str, count: int, seconds: float) -> tuple[list[Watched], float]:
    """What `count` watchers of the Live page see in `seconds`, and the processor seconds that they cost the server."""
    watchers, tasks = await opened([Watcher(server.address, "live", query, not n) for n in range(count)])
    await asyncio.sleep(2)
    for each in watchers:
        each.seen.refreshes, each.seen.received_bytes = 0, 0
        each.seen.refresh_seconds.clear()
    before = server.cpu_seconds()
    await asyncio.sleep(seconds)
    cpu = server.cpu_seconds() - before
    await closed(tasks)
    return [each.seen for each in watchers], cpu


async def _write_steps(store: Store, run_id: str, first: int, steps: int, added: list[tuple[float, int]]) -> None:
    """Ten steps a second."""
    step = first
    while True:
        batch = []
        for _ in range(3):
            batch.append(stores.step_after(step, steps))
            step += 1
        store.record(run_id, *batch, seconds_per_step=0.05)
        added.append((time.time(), step))
        await asyncio.sleep(0.3)


async def _beat(store: Store, run_id: str) -> None:
    while True:
        store.beat(run_id, 1)
        await asyncio.sleep(2)


async def measure_refreshes(folder: Path, steps: int, counts: Sequence[int]) -> None:
    """A run of `steps` steps that another process records, watched by nobody, one, ten."""
    store = Store(folder / "data")
    lock = RunnerLock(store.folder)
    assert lock.take()
    run_id = stores.begin_long_run(store, folder / "texts", steps)
    added: list[tuple[float, int]] = []
    for idle in (False, True):
        with serve(store.folder) as server:
            task = asyncio.create_task(
                _beat(store, run_id) if idle else _write_steps(store, run_id, steps, 2 * steps, added)
            )
            await asyncio.sleep(3)
            before = server.cpu_seconds()
            await asyncio.sleep(5)
            base = (server.cpu_seconds() - before) / 5
            for count in counts:
                seen, cpu = await refreshes(server, "", count, _WATCH_SECONDS)
                done = sum(s.refreshes for s in seen)
                per = 1000 * (cpu - base * _WATCH_SECONDS) / max(1, done)
                waits = [1000 * w for s in seen for w in s.refresh_seconds] or [0.0]
                size = sum(s.received_bytes for s in seen) / max(1, done)
                late = [1000 * (at - _when(added, step)) for s in seen for at, step in s.steps if step > steps + 3]
                print(
                    f"{steps} steps, {'idle' if idle else 'training'}, {count} watchers: {done} refreshes, "
                    f"{per:.1f} ms CPU each, wait median {statistics.median(waits):.0f} max {max(waits):.0f} ms, "
                    f"{size:,.0f} bytes each; opened {max(s.opened_seconds for s in seen):.2f} s; "
                    f"CPU {100 * cpu / _WATCH_SECONDS:.0f} % of a core (base {100 * base:.0f} %)"
                    + (f"; late median {statistics.median(late):.0f} max {max(late):.0f} ms" if late else ""),
                    flush=True,
                )
            await closed([task])


def _when(added: Sequence[tuple[float, int]], step: int) -> float:
    return next((at for at, last in added if last >= step), time.time())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("what", choices=["refresh", "training"])
    parser.add_argument("--steps", type=int, default=2_000, help="that the watched run has behind it")
    parser.add_argument("--watchers", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement beside training")
    parser.add_argument("--browser", action="store_true", help="Chromium's pages instead of light watchers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "refresh":
            asyncio.run(measure_refreshes(Path(folder), options.steps, options.watchers))
        else:
            pages = browser_pages if options.browser else light_pages
            counts = [0, *options.watchers]
            windows = asyncio.run(measure_training(Path(folder), counts, options.rounds, options.seconds, pages))
            print(summary(windows))


if __name__ == "__main__":
    main()
