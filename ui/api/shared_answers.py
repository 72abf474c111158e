"""Answers that all browsers share: made once for a moment and a state of the store, whoever asks.

An answer is good for a moment without any look at the store. After that it stays while the store's version does, and is
made anew otherwise; its tag names its content, so that a browser which has it is sent nothing, whatever else changed.
"""

import asyncio
import gzip
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from starlette.concurrency import run_in_threadpool

MOMENT_SECONDS = 0.9
"""An answer is given to all who ask within this time. Browsers are told when it ends, so that they come together."""
MOST_OF_A_CORE = 0.01
"""The share of a core that one answer may take, however many ask: one that takes long to make is good for longer."""
LONGEST_SECONDS = 10.0
FIRST_SECONDS = 2.0
"""The longest that a first answer is good for: it pays for what a server loads once, and for a whole figure where the
next have only its new points."""
STALE_SECONDS = 4.0
"""Without a change in the store, a run that has lost its program shows by its heartbeat alone."""
_KEPT = 256
_LATEST = 0.2
_SQUEEZED_FROM_BYTES = 1000


@dataclass(frozen=True)
class Answer:
    """What goes to a browser."""

    body: bytes
    look_again_seconds: float = 1.0
    """When there may be something new."""
    tag: str = ""
    squeezed: bytes = b""
    """The body by gzip, where that is worth it."""

    def finished(self, before: "Answer | None") -> "Answer":
        """With tag and squeezed body; those of `before` where it says the same."""
        if before is not None and before.body == self.body:
            return replace(before, look_again_seconds=self.look_again_seconds)
        tag = f'W/"{blake2b(self.body, digest_size=12).hexdigest()}"'
        squeezed = gzip.compress(self.body, 1) if len(self.body) >= _SQUEEZED_FROM_BYTES else b""
        return replace(self, tag=tag, squeezed=squeezed)


@dataclass
class _Kept:
    answer: Answer
    version: int
    made_at: float
    good_until: float
    effort: float
    """Seconds of processor time that it takes to make, the latest counted most."""
    is_first: bool
    """Nothing was kept before it, so that its effort says little of the next ones."""


@dataclass
class Answers:
    """Keeps the latest answers. `version` is the store's, `clock` counts seconds, `effort` those of the thread's
    processor time."""

    version: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    effort: Callable[[], float] = time.thread_time
    _kept: OrderedDict[Hashable, _Kept] = field(default_factory=OrderedDict)
    _pending: dict[Hashable, "asyncio.Task[_Kept]"] = field(default_factory=dict)

    async def give(self, key: Hashable, make: Callable[[], Answer]) -> tuple[Answer, float]:
        """The answer kept under `key`, made by `make` in a thread where it is out of date, and the seconds after which
        to ask again. Who asks while it is made waits for the same."""
        kept = self._kept.get(key)
        if kept is None or self.clock() >= kept.good_until:
            making = self._pending.get(key)
            if making is None:
                making = asyncio.ensure_future(run_in_threadpool(self._renewed, kept, make))
                self._pending[key] = making
                making.add_done_callback(lambda _: self._pending.pop(key, None))
            kept = await asyncio.shield(making)
            self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept.answer, max(kept.answer.look_again_seconds - MOMENT_SECONDS, 0.0) + kept.good_until - self.clock()

    def _renewed(self, kept: _Kept | None, make: Callable[[], Answer]) -> _Kept:
        now, began, version = self.clock(), self.effort(), self.version()
        if kept is not None and kept.version == version and now - kept.made_at < STALE_SECONDS:
            return replace(kept, good_until=now + MOMENT_SECONDS)
        answer = make().finished(kept.answer if kept else None)
        effort = self.effort() - began
        longest = FIRST_SECONDS if kept is None else LONGEST_SECONDS
        if kept is not None and not kept.is_first:  # one that is drawn anew now and then must not wait for it at once
            effort = kept.effort + _LATEST * (effort - kept.effort)
        rest = max(MOMENT_SECONDS, min(longest, effort / MOST_OF_A_CORE))
        return _Kept(answer, version, now, self.clock() + rest, effort, is_first=kept is None)  # from when it is there
