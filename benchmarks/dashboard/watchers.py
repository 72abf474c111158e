"""Watchers of a page: as much of a browser as makes the server do all that it does for one, and hardly any CPU."""

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetStates
from websockets.typing import Subprotocol

from benchmarks.dashboard.polls import Poll

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
    """From asking a route, or for a run of the page, to the end of the answer."""
    steps: list[tuple[float, int]] = field(default_factory=list)
    """When (seconds since 1970) which step first stood in the chart's data."""


class Watcher:
    """Opens a page, then asks the routes that its parts show and refreshes whatever the page asks for, as a
    browser does."""

    def __init__(self, address: str, page: str, query: str = "", reads_charts: bool = False) -> None:
        self._url = re.sub("^http", "ws", address) + "/_stcore/stream"
        self._server = address
        self._page, self._query, self._reads_charts = page, query, reads_charts
        self.seen = Watched()
        self.opened = asyncio.Event()
        self._hash = ""
        self._cached: set[str] = set()
        self._asked: dict[str, float] = {}
        self._pulse: asyncio.Task[None] | None = None
        self._beaten = 0.0
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}
        self._changes: set[asyncio.Task[None]] = set()
        self._watch: tuple[str, str, str] | None = None
        """The part that has the page drawn again: its id, its fragment, and what the page was made of when drawn."""

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
                for poll in self._polls.values():
                    if poll.done():
                        poll.result()  # a measurement with a watcher that stopped looking would be too good
                timers = [timer for _, timer in self._timers.values()]
                for timer in (self._pulse, *timers, *self._polls.values(), *self._changes):
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
            elif component.json and isinstance(data := json.loads(component.json), dict) and "url" in data:
                self._follow(component.component_name, component.id, message.delta.fragment_id, data)

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
            self._asked.setdefault(fragment, time.perf_counter())
            await self._say(component, fragment, "beat", data["turn"])

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

    def _follow(self, kind: str, component: str, fragment: str, data: dict[str, Any]) -> None:
        """Ask the route that a part of the page shows, once for all parts of the same route."""
        address = data["url"]
        if kind == "palimpsest_change_watch":
            self._watch = component, fragment, data["seen"]
        if address not in self._polls:
            poll = Poll(self._server, address, self._take_answer, self._note)
            self._polls[address] = asyncio.create_task(poll.run())

    def _take_answer(self, answer: dict[str, Any]) -> None:
        step = answer.get("newest_step", 0)
        if self._reads_charts and step and (not self.seen.steps or step > self.seen.steps[-1][1]):
            self.seen.steps.append((time.time(), step))
        if "structure" in answer and self._watch and answer["structure"] != self._watch[2]:
            component, fragment, _ = self._watch
            self._watch = None  # until the page says anew what it is made of
            self._changes.add(asyncio.create_task(self._say(component, fragment, "change", answer["structure"])))

    def _note(self, took: float, size: int) -> None:
        if self.opened.is_set():
            self.seen.refreshes += 1
            self.seen.received_bytes += size
            self.seen.refresh_seconds.append(took)

    async def _say(self, component: str, fragment: str, event: str, value: Any) -> None:
        """What a part of the page tells its script."""
        states = WidgetStates()
        state = states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{component}__events")
        state.json_trigger_value = json.dumps([{"event": event, "value": value}])
        await self._ask(fragment, states)


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
