"""The events of one run on their way into the store: steps wait for the next beat, all else is written at once."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from engine.common.errors import StoreUnavailableError
from engine.driving.run_log import log
from engine.events import Event, RunFinished, RunStopped, StageStarted, StepDone
from engine.events.control import Control
from engine.store import Store
from engine.store.progress import Batch

RETRY_SECONDS = 1.0
"""The time between two tries to write to a store that refuses."""
MOST_WAITING = 2000
"""The number of events of a run that may wait in memory to be written."""


class Recorder:
    """The events of a run that the store does not have yet.

    The thread that drives the run adds them. Whoever has the turn to write takes them and says what became of it; both
    may happen at once.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        attempt: int,
        control: Control,
        tell: Callable[[str], None],
        write: Callable[["Recorder"], None],
    ) -> None:
        """`write` has what waits here taken and settled. To be made by the thread that drives the run."""
        self._store, self._tell, self._write = store, tell, write
        self.run_id, self.attempt, self.control = run_id, attempt, control
        self.thread = threading.current_thread()
        self._waiting: deque[Event] = deque()  # its single operations are atomic
        self._pace = Pace(control)
        self.ended = False
        """Whether the run's last event has come."""
        self.lost = False
        """The run was given to somebody else, who took this process for dead: nothing more is written of it."""
        self.refusal: StoreUnavailableError | None = None
        """Why the store could not be written when it was last tried."""
        self.failure: Exception | None = None
        """Why what waited could not be written, and can't be at any later time either."""

    @property
    def is_driven(self) -> bool:
        """Whether the run's thread lives and the run is still its own."""
        return self.thread.is_alive() and not self.lost

    @property
    def waiting(self) -> int:
        """The number of events that wait."""
        return len(self._waiting)

    def add(self, event: Event) -> None:
        """Take an event; any but a step is written when this returns. Raises what keeps it from being written."""
        self._waiting.append(event)
        if isinstance(event, StepDone):
            self._pace.step()
            if len(self._waiting) < MOST_WAITING and self.failure is None:
                return
        elif isinstance(event, StageStarted):
            self._pace.begin(event)
        else:
            self.ended = isinstance(event, RunFinished | RunStopped)
        self.insist()

    def insist(self, write: Callable[[], None] | None = None) -> None:
        """Write (what was collected, if nothing else is given), and hold the run while the store can't be written.

        Raises StoreUnavailableError where the run is to stop meanwhile.
        """
        trouble = ""
        while True:
            try:
                (write or self._flush)()
                break
            except StoreUnavailableError as error:
                if self.control.stopping:
                    raise
                if str(error) != trouble:
                    trouble = str(error)
                    log(self._store, self.run_id, f"waits: {trouble}")
                    self._tell(f"{trouble} The run waits and goes on by itself once that is mended.")
            time.sleep(RETRY_SECONDS)
        if trouble:
            self._tell("")

    def write_alone(self) -> None:
        """From now on nobody else writes for this run."""
        self._write = lambda recorder: commit(self._store, [recorder])

    def _flush(self) -> None:
        """Have all written that waits. Raises what keeps it from being written."""
        if self._waiting:
            self._write(self)
        error = self.failure or self.refusal
        if error is not None:
            raise error

    def take(self) -> Batch:
        """Return what waits; it is given back by `settle` or `put_back`."""
        events = [self._waiting.popleft() for _ in range(len(self._waiting))]
        return Batch(self.run_id, events, self._pace.seconds_per_step, self._pace.steps)

    def put_back(self, batch: Batch) -> None:
        """Let a batch wait again, before what has come since."""
        self._waiting.extendleft(reversed(batch.events))

    def settle(self, batch: Batch, error: Exception | None) -> None:
        """Hear what became of a batch that was taken."""
        self.refusal = None
        if isinstance(error, StoreUnavailableError):
            self.refusal = error
            self.put_back(batch)
        elif error is not None:
            self.failure = error


def commit(store: Store, recorders: Iterable[Recorder]) -> None:
    """Write what waits of these runs in one transaction; each hears what became of its own."""
    taken = [(each, each.take()) for each in recorders if each.waiting]
    if not taken:
        return
    errors: Sequence[Exception | None]
    try:
        errors = store.record_batches([batch for _, batch in taken])
    except Exception as error:  # whatever it is, every run must hear of it: its thread waits
        errors = [error] * len(taken)
    except BaseException:
        for recorder, batch in taken:
            recorder.put_back(batch)
        raise
    for (recorder, batch), outcome in zip(taken, errors, strict=True):
        recorder.settle(batch, outcome)


class Pace:
    """Seconds per step over this attempt, evaluation and memory included, pauses and shared stages not."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._since: float | None = None
        self._trains = True
        self.steps = self._steps_repeated = 0
        self.seconds_per_step: float | None = None

    def begin(self, stage: StageStarted) -> None:
        """A stage begins."""
        self._trains, self._steps_repeated = not stage.shared, stage.steps_before
        if self._trains and self._since is None:
            self._since = self._control.active_time()

    def step(self) -> None:
        """A step is done."""
        if self._steps_repeated:
            self._steps_repeated -= 1
        elif self._trains and self._since is not None:
            self.steps += 1
            self.seconds_per_step = (self._control.active_time() - self._since) / self.steps
