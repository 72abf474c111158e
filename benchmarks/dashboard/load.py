"""Many sessions that watch, reload and upload while runs train: errors, memory over time, and the same numbers."""

import asyncio
import random
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.dashboard.server import Server, serve
from benchmarks.dashboard.watchers import Watcher
from engine.experiment import Experiment, StrategySpec, Training
from engine.headless import run_experiment
from engine.store import Store
from engine.tasks import samples

PAGES = ("", "tasks", "experiment", "live", "live", "live", "compare")
"""Live is watched most."""
UPLOAD_BYTES = 1_000_000
_SAMPLE_SECONDS = 5.0


@dataclass
class Load:
    """What was seen."""

    opened: int = 0
    uploads: int = 0
    errors: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the beginning, and the server's resident memory in MB."""
    finished_runs: int = 0
    differing_runs: list[str] = field(default_factory=list)

    def slope(self) -> float:
        """MB an hour, by least squares over the second half: the first fills caches."""
        later = np.array(self.memory[len(self.memory) // 2 :])
        return float(np.polyfit(later[:, 0], later[:, 1], 1)[0] * 3600)


class Visitor(Watcher):
    """A session that also uploads, and notes every exception that a page shows."""

    def __init__(self, address: str, page: str, load: Load) -> None:
        super().__init__(address, page)
        self._address, self._load = address, load
        self._session = ""
        self.upload: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def _take(self, data: bytes, began: float) -> None:
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            shown = message.delta.new_element.exception
            self._load.errors.append(f"{self._page}: {shown.type}: {shown.message}")
        elif kind == "file_urls_response" and not self.upload.done():
            self.upload.set_result(message.file_urls_response.file_urls[0].upload_url)
        super()._take(data, began)

    async def send_file(self) -> None:
        """Upload a megabyte as the file picker does."""
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append("notes.txt")
        message.file_urls_request.session_id = self._session
        await self._socket.send(message.SerializeToString())
        url = await asyncio.wait_for(self.upload, 30)
        async with httpx.AsyncClient(base_url=self._address, timeout=60) as client:
            await client.get("/_stcore/health")
            token = client.cookies.get("_streamlit_xsrf") or ""
            files = {"file": ("notes.txt", b"word " * (UPLOAD_BYTES // 5))}
            answer = await client.put(url, files=files, headers={"X-Xsrftoken": token})
        if answer.status_code >= 300:
            self._load.errors.append(f"upload: {answer.status_code} {answer.text[:200]}")
        self._load.uploads += 1


async def measure_load(folder: Path, sessions: int, minutes: float) -> Load:
    """`sessions` visitors for so many minutes, on each page some seconds, while one experiment after another trains."""
    load, store, ends = Load(), Store(folder), time.monotonic() + 60 * minutes
    ids = [store.add_experiment(_experiment())]
    with serve(folder) as server:
        watch = asyncio.create_task(_watch_memory(server, load))
        visits = [asyncio.create_task(_visit(server, load, ends, random.Random(n))) for n in range(sessions)]
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


async def _visit(server: Server, load: Load, ends: float, chance: random.Random) -> None:
    """One visitor: page after page, until the end."""
    while time.monotonic() < ends:
        visitor = Visitor(server.address, chance.choice(PAGES), load)
        visit = asyncio.create_task(visitor.watch())
        try:
            await asyncio.wait_for(visitor.opened.wait(), 120)
            load.opened += 1
            if chance.random() < 0.2:
                await visitor.send_file()
            await asyncio.sleep(min(chance.uniform(2, 40), max(0.0, ends - time.monotonic())))
        except (TimeoutError, httpx.HTTPError) as error:
            load.errors.append(f"{type(error).__name__}: {error}")
        finally:
            visit.cancel()
            with suppress(asyncio.CancelledError):
                await visit


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


def summary(load: Load, minutes: float, sessions: int) -> str:
    """What was seen, in words."""
    memory = [megabytes for _, megabytes in load.memory]
    lines = [
        f"{sessions} sessions for {minutes:g} minutes: {load.opened} pages opened, {load.uploads} files uploaded, "
        f"{len(load.errors)} errors.",
        f"Server memory: {memory[0]:.0f} MB at first, {max(memory):.0f} MB at most, {memory[-1]:.0f} MB at last; "
        f"{load.slope():+.0f} MB an hour over the second half.",
        f"{load.finished_runs} runs finished, {len(load.differing_runs)} of them with other numbers than undisturbed.",
    ]
    return "\n".join([*lines, *load.errors[:20], *load.differing_runs])
