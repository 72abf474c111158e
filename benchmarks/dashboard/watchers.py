"""Watchers of a page: as much of a browser as makes the server do all that it does for one, and hardly any CPU."""

import asyncio
import base64
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from websockets.typing import Subprotocol

_SIZE_LIMIT = 1 << 28


@dataclass
class Watched:
    """The measurements of one watcher."""

    opened_seconds: float = 0.0
    """From the first message to the end of the page's first run."""
    refreshes: int = 0
    received_bytes: int = 0
    """After the page was there."""
    refresh_seconds: list[float] = field(default_factory=list)
    """From asking for a refresh to the end of its run."""
    steps: list[tuple[float, int]] = field(default_factory=list)
    """When (seconds since 1970) which step first stood in the chart's data."""


class Watcher:
    """Opens a page, then refreshes whatever the page asks to have refreshed, as a browser does."""

    def __init__(self, address: str, page: str, query: str = "", reads_charts: bool = False) -> None:
        self._url = re.sub("^http", "ws", address) + "/_stcore/stream"
        self._page, self._query, self._reads_charts = page, query, reads_charts
        self.seen = Watched()
        self.opened = asyncio.Event()
        self._hash = ""
        self._cached: set[str] = set()
        self._asked: dict[str, float] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._beaten = 0.0
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}

    async def watch(self) -> None:
        """Until cancelled."""
        async with websockets.connect(
            self._url, subprotocols=[Subprotocol("streamlit")], max_size=_SIZE_LIMIT, compression="deflate"
        ) as self._socket:
            began = time.perf_counter()
            await self._ask("")
            try:
                async for data in self._socket:
                    assert isinstance(data, bytes)
                    self._take(data, began)
            finally:
                for timer in (self._pulse, *(timer for _, timer in self._timers.values())):
                    if timer is not None:
                        timer.cancel()

    async def _ask(self, fragment: str, states: WidgetStates | None = None) -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self._query, self._hash
        state.page_name = self._page if not self._hash else ""
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment) and states is None
        state.widget_states.CopyFrom(states or WidgetStates())
        state.cached_message_hashes.extend(self._cached)
        await self._socket.send(message.SerializeToString())

    def _take(self, data: bytes, began: float) -> None:
        if self.opened.is_set():
            self.seen.received_bytes += len(data)
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._hash = message.new_session.page_script_hash
        elif kind == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._finished(began)
        elif kind == "delta":
            if message.metadata.cacheable:
                self._cached.add(message.hash)
            component = message.delta.new_element.bidi_component
            if component.component_name == "palimpsest_pulse":
                self._beat(message.delta.fragment_id, component.id, json.loads(component.json))
            elif self._reads_charts and "live_losses" in component.id:
                self._look(json.loads(component.json))

    def _repeat(self, fragment: str, seconds: float) -> None:
        known = self._timers.get(fragment)
        if known is not None and known[0] == seconds:
            return
        if known is not None:
            known[1].cancel()
        self._timers[fragment] = (seconds, asyncio.create_task(self._tick(fragment, seconds)))

    def _beat(self, fragment: str, component: str, data: dict[str, Any]) -> None:
        """Ask for a refresh as `ui/widgets/pulse.js` does."""
        if self._pulse is not None:
            self._pulse.cancel()

        took = time.perf_counter() - self._beaten if self._beaten else 0.0
        self._beaten = 0.0

        async def ask() -> None:
            await asyncio.sleep(min(2 * data["seconds"], max(data["seconds"], 12 * took)))
            self._beaten = time.perf_counter()
            states = WidgetStates()
            state = states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{component}__events")
            state.json_trigger_value = json.dumps([{"event": "beat", "value": data["turn"]}])
            self._asked.setdefault(fragment, time.perf_counter())
            await self._ask(fragment, states)

        self._pulse = asyncio.create_task(ask())

    async def _tick(self, fragment: str, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._asked.setdefault(fragment, time.perf_counter())
            await self._ask(fragment)

    def _finished(self, began: float) -> None:
        now = time.perf_counter()
        if not self.opened.is_set():
            self.seen.opened_seconds = now - began
            self.opened.set()
            return
        self.seen.refreshes += 1
        if self._asked:
            self.seen.refresh_seconds.append(now - min(self._asked.values()))
            self._asked.clear()

    def _look(self, data: dict[str, Any]) -> None:
        step = last_step(data)
        if step and (not self.seen.steps or step > self.seen.steps[-1][1]):
            self.seen.steps.append((time.time(), step))


def last_step(data: dict[str, Any]) -> int:
    """The newest training step in a chart's data."""
    figure = json.loads(data["figure"]) if isinstance(data["figure"], str) else data["figure"]
    trace = next((trace for trace in figure["data"] if trace.get("uid") == "new"), None)
    if trace is None or not trace["x"]:
        return 0
    x = trace["x"]
    return int(np.frombuffer(base64.b64decode(x["bdata"]), np.dtype(x["dtype"]))[-1] if isinstance(x, dict) else x[-1])


async def opened(watchers: list[Watcher]) -> tuple[list[Watcher], list[asyncio.Task[None]]]:
    """Have all of them open their page."""
    tasks = [asyncio.create_task(each.watch()) for each in watchers]
    for each in watchers:
        await asyncio.wait_for(each.opened.wait(), 120)
    return watchers, tasks


async def closed(tasks: list[asyncio.Task[None]]) -> None:
    """Have all of them leave."""
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
