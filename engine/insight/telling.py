"""How far a request has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Told:
    """What is being done, and how much of it is."""

    words: str
    done: int = 0
    of: int = 0
    """0 where it is not known."""
    so_far: Callable[[], Any] | None = None
    """Gives what there is of the result, where that grows; asked only where somebody looks."""


Tell = Callable[[Told], None]
"""It may raise, to end the work."""
