"""Waiting for a disk that is full, read-only or silent: a run holds, says why, and goes on by itself."""

from collections.abc import Callable, Generator
from typing import TypeVar

from engine.common.errors import StoreUnavailableError
from engine.events import Waiting
from engine.events.control import Control

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 1.0, 16.0
"""The time between two tries to write to such a disk: twice as long after each, since every try writes what fits."""
T = TypeVar("T")


def written(control: Control, write: Callable[[], T]) -> Generator[Waiting, None, T]:
    """Return what `write` returns, once the disk takes it: until then the run holds, and says why. Raises Stopped."""
    waits, seconds = False, RETRY_SECONDS
    while True:
        try:
            result = write()
        except StoreUnavailableError as error:
            if not waits:
                yield Waiting(f"{error} The run waits and goes on by itself once that is mended.")
            waits = True
            control.wait(seconds)
            seconds = min(2 * seconds, LONGEST_RETRY_SECONDS)
        else:
            if waits:
                yield Waiting("")
            return result
