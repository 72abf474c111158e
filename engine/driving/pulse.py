"""One pulse for all runs that this process drives in a store: what concerns many of them is one transaction.

Its thread beats for the runs, hands the users' requests to their controls and writes their events: steps at every beat,
and at once what a run waits for. What runs ask for while it writes goes into its next transaction, so that hundreds of
them do not queue for one each.
"""

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence

from engine.common.errors import StoreUnavailableError
from engine.driving.recorder import Recorder, commit
from engine.driving.run_log import log
from engine.events.control import Control
from engine.store import Store
from engine.store.writing import DRIVEN_RUNS

POLL_SECONDS = 0.25
BEAT_SECONDS = 2.0
MOST_TOGETHER = 20_000
"""The number of events that fill a transaction: other programs wait for its end."""

_joining = threading.Lock()
_pulses: dict[Store, "_Pulse"] = {}
"""Those that beat for at least one run."""


def join(store: Store, run_id: str, control: Control, tell: Callable[[str], None]) -> Recorder:
    """Let the store's pulse beat for a run that the calling thread drives; returns what records its events."""
    attempt = store.attempt(run_id)
    with _joining:
        pulse = _pulses.get(store)
        if pulse is None:
            pulse = _pulses[store] = _Pulse(store)
        recorder = Recorder(store, run_id, attempt, control, tell, pulse.write)
        pulse.recorders = (*pulse.recorders, recorder)
        if not pulse.is_alive():
            pulse.start()
    return recorder


def leave(store: Store, recorder: Recorder) -> None:
    """End the pulse of a run: when this returns nothing more is done for it but what its own thread does."""
    with _joining:
        pulse = _pulses.get(store)
        if pulse is None or recorder not in pulse.recorders:
            return
        pulse.recorders = tuple(each for each in pulse.recorders if each is not recorder)
        is_over = not pulse.recorders
        if is_over:
            del _pulses[store]
        else:
            answered = pulse.ask(recorder)
    if is_over:
        pulse.end()
    else:
        answered.wait()
    recorder.write_alone()


class _Pulse(threading.Thread):
    """The thread. It lives as long as the thread of any run that it beats for."""

    def __init__(self, store: Store) -> None:
        super().__init__(name=f"palimpsest-pulse:{store.folder}", daemon=True)
        self._store = store
        self._called, self._over = threading.Event(), False
        self._failure = ""
        """The last traceback that went into the logs."""
        self._asking: deque[tuple[Recorder, threading.Event]] = deque()  # its single operations are atomic
        self.recorders: tuple[Recorder, ...] = ()
        """Replaced and never changed, so that any thread may go through them."""
        setattr(self, DRIVEN_RUNS, _Driven(self))

    def ask(self, recorder: Recorder) -> threading.Event:
        """Have what waits of a run tried to be written soon. What is returned is set once that is done and nothing else
        is being done for the run. To be called by the run's own thread."""
        answered = threading.Event()
        self._asking.append((recorder, answered))
        self._called.set()
        return answered

    def write(self, recorder: Recorder) -> None:
        """Return once what waits of a run was tried to be written."""
        self.ask(recorder).wait()

    def end(self) -> None:
        """End the thread and wait for it."""
        self._over = True
        self._called.set()
        self.join()

    def run(self) -> None:
        next_poll, next_beat = time.monotonic() + POLL_SECONDS, 0.0
        while not self._over:
            self._called.wait(max(0.0, next_poll - time.monotonic()))
            self._called.clear()
            self._write_asked()
            now = time.monotonic()
            if now < next_poll:
                continue
            if not self._has_runs():
                break
            beats = now >= next_beat
            if beats:
                next_beat = now + BEAT_SECONDS
            self._look_after([each for each in self.recorders if each.is_driven], beats)
            next_poll = time.monotonic() + POLL_SECONDS
        self._write_asked()

    def _has_runs(self) -> bool:
        """Whether the thread of any run lives; otherwise this pulse is over."""
        with _joining:
            lives = any(each.thread.is_alive() for each in self.recorders)
            if not lives and _pulses.get(self._store) is self:
                del _pulses[self._store]
            return lives

    def _write_asked(self) -> None:
        """Write what runs wait for, and let them go on; all of them in one transaction."""
        asking = [self._asking.popleft() for _ in range(len(self._asking))]
        try:
            self._write([each for each, _ in asking if not each.lost])
        finally:
            for _, answered in asking:
                answered.set()

    def _look_after(self, runs: Sequence[Recorder], beats: bool) -> None:
        try:
            if beats:
                self._beat(runs)
            own = [each for each in runs if not each.lost]
            self._obey(own)
            self._write(own)
        except StoreUnavailableError:
            pass  # a full or busy disk, which the recorders tell of: the next beat tries again
        except Exception:
            failure = traceback.format_exc()
            if failure != self._failure:  # the next beats may meet the same, four times a second
                for each in runs:
                    log(self._store, each.run_id, failure)
            self._failure = failure

    def _beat(self, runs: Sequence[Recorder]) -> None:
        """Those that are no longer this process's own are to stop."""
        taken = self._store.beat([(each.run_id, each.attempt) for each in runs])
        for each in runs:
            if (each.run_id, each.attempt) in taken:
                each.lost = True
                each.control.stop()

    def _obey(self, runs: Sequence[Recorder]) -> None:
        asked = self._store.take_requests([each.run_id for each in runs])
        for each in runs:
            what, control = asked.get(each.run_id), each.control
            if what == "pause" and not control.paused:
                control.pause()
                self._store.set_pause(each.run_id, True)
            elif what == "resume" and control.paused:
                control.resume()
                self._store.set_pause(each.run_id, False)
            elif what == "stop":
                control.stop()

    def _write(self, recorders: Sequence[Recorder]) -> None:
        """Write what waits of these runs, as many of them in a transaction as fill it."""
        together: list[Recorder] = []
        events = 0
        for recorder in recorders:
            together.append(recorder)
            events += recorder.waiting
            if events >= MOST_TOGETHER:
                commit(self._store, together)
                together, events = [], 0
        commit(self._store, together)


class _Driven:
    """The ids of the runs that a pulse beats for, as others ask for them."""

    def __init__(self, pulse: _Pulse) -> None:
        self._pulse = pulse

    def __contains__(self, run_id: object) -> bool:
        return any(each.run_id == run_id and each.is_driven for each in self._pulse.recorders)
