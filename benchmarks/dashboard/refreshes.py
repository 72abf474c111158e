"""The cost of a refresh of the Live page for the server, in processor time and in bytes."""

import asyncio
import bisect
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.dashboard import stores
from benchmarks.dashboard.server import Server, serve
from benchmarks.dashboard.watchers import Watched, Watcher, closed, opened
from engine.running.runner_lock import RunnerLock
from engine.store import Store

_SECONDS = 12.0
_SETTLE_SECONDS = 2.0
_WARM_SECONDS, _WARM_CORES = 3.0, 0.15
_BATCH, _BATCH_SECONDS = 3, 0.3
"""Ten steps a second, as quick a run as there is."""


async def measure_refreshes(folder: Path, steps: int, counts: Sequence[int]) -> None:
    """A run with `steps` steps behind it that this process records: at rest, then going on."""
    store = Store(folder / "data")
    lock = RunnerLock(store.folder)
    assert lock.take()  # so that the server only watches, and what it takes is for the watchers
    run_id = stores.begin_long_run(store, folder / "texts", steps)
    for goes_on in (False, True):
        added: list[tuple[float, int]] = []
        write = _go_on(store, run_id, steps, added) if goes_on else _rest(store, run_id)
        with serve(store.folder) as server:
            task = asyncio.create_task(write)
            await _warmed(server)
            for count in counts:
                seen, cpu = await _watch(server, count)
                state = "goes on" if goes_on else "rests"
                print(f"{steps:,} steps, the run {state}, {count} watching: {_line(seen, cpu, added)}", flush=True)
            await closed([task])
    lock.release()
    store.close()


async def _warmed(server: Server) -> None:
    """Until the server has loaded all that it loads beside its first pages."""
    _, tasks = await opened([Watcher(server.address, "live")])
    taken = 1.0
    while taken > _WARM_CORES:
        before = server.cpu_seconds()
        await asyncio.sleep(_WARM_SECONDS)
        taken = (server.cpu_seconds() - before) / _WARM_SECONDS
    await closed(tasks)


async def _watch(server: Server, count: int) -> tuple[list[Watched], float]:
    """Return what that many watchers see, and the processor seconds of the server meanwhile."""
    watchers, tasks = await opened([Watcher(server.address, "live", reads_charts=not n) for n in range(count)])
    await asyncio.sleep(_SETTLE_SECONDS)
    for each in watchers:
        each.seen.refreshes, each.seen.received_bytes = 0, 0
        each.seen.refresh_seconds.clear()
    before = server.cpu_seconds()
    await asyncio.sleep(_SECONDS)
    cpu = server.cpu_seconds() - before
    await closed(tasks)
    return [each.seen for each in watchers], cpu


async def _go_on(store: Store, run_id: str, steps: int, added: list[tuple[float, int]]) -> None:
    step = steps
    while True:
        batch = [stores.step_after(step + n, 2 * steps) for n in range(_BATCH)]
        step += _BATCH
        store.record(run_id, *batch, seconds_per_step=_BATCH_SECONDS / _BATCH)
        added.append((time.time(), step))
        await asyncio.sleep(_BATCH_SECONDS)


async def _rest(store: Store, run_id: str) -> None:
    while True:
        store.beat([(run_id, 1)])
        await asyncio.sleep(2)


def _line(seen: Sequence[Watched], cpu: float, added: Sequence[tuple[float, int]]) -> str:
    refreshes = max(1, sum(each.refreshes for each in seen))
    waits = [1000 * wait for each in seen for wait in each.refresh_seconds]
    size = sum(each.received_bytes for each in seen) / refreshes
    text = (
        f"{refreshes} refreshes, each {statistics.median(waits):.0f} ms (at most {max(waits):.0f}), "
        f"{1000 * cpu / refreshes:.0f} ms of processor time and {size:,.0f} bytes; {cpu / _SECONDS:.2f} cores"
    )
    shown = [step for each in seen for _, step in each.steps]
    moments = [at for each in seen for at, _ in each.steps]
    written = [(at, bisect.bisect_left(shown, step)) for at, step in added if moments and at >= moments[0]]
    late = [1000 * (moments[place] - at) for at, place in written if place < len(moments)]
    return text + (
        f"; a point is there after {statistics.median(late):.0f} ms, at most {max(late):.0f}" if late else ""
    )
