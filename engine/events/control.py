"""Pause, resume and stop: flags that a run looks at between small pieces of work."""

import threading
import time


class Stopped(Exception):  # noqa: N818 - a request, not an error
    """Raised inside a run by `Control.check` once a stop was asked for."""


class Control:
    """Thread-safe switches of one run. Whoever holds it may call any method from any thread."""

    def __init__(self) -> None:
        self._running = threading.Event()
        self._running.set()
        self._stop = threading.Event()
        self.paused_seconds = 0.0
        """The time that `check` and `wait` have held in all, so that a pause does not count as training time."""

    def active_time(self) -> float:
        """Seconds on a clock that stands still while the run is paused."""
        return time.monotonic() - self.paused_seconds

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def pause(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def stop(self) -> None:
        """Ask the run to end; a paused run wakes up to do so."""
        self._stop.set()
        self._running.set()

    def check(self) -> None:
        """Wait while paused; raise `Stopped` when a stop was asked for. Cheap: call it in every inner loop."""
        if not self._running.is_set():
            self._hold(self._running)
        if self._stop.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Hold so long, as in a pause. Raises `Stopped` as soon as a stop is asked for."""
        self._hold(self._stop, seconds)
        self.check()

    def _hold(self, until: threading.Event, seconds: float | None = None) -> None:
        started = time.monotonic()
        until.wait(seconds)
        self.paused_seconds += time.monotonic() - started
