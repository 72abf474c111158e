"""A figure that a run outgrows only now and then: it is drawn at one step, and later points are put after its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from figures.lines import Line, last_step
from figures.loss_tail import Tail, longest_tail, loss_tail
from ui.widgets.live_chart import Drawn


@dataclass(frozen=True)
class Growing:
    """A chart of losses as it goes to browsers: those that have the figure are sent the tail alone."""

    base: str
    """Names the figure; another one for every drawing."""
    drawn: Drawn
    drawn_to: int
    """The newest step that the figure has."""
    newest: int
    """The newest step that the tail has."""
    tail: Tail = field(default_factory=dict)

    @classmethod
    def begun(cls, key: tuple[Any, ...], drawn: Drawn, lines: Mapping[str, Line]) -> "Growing":
        """A figure that was just drawn of `lines`; `key` holds all else that it was drawn of."""
        newest = last_step(lines)
        base = blake2b(repr((key, newest)).encode(), digest_size=9).hexdigest()
        return cls(base, drawn, newest, newest)

    def is_outgrown(self, lines: Mapping[str, Line]) -> bool:
        """Whether the figure must be drawn anew to hold these lines. One without a step promises the first."""
        newest = last_step(lines)
        grown = newest - self.drawn_to
        return grown < 0 or grown > longest_tail(self.drawn_to) or (grown > 0 and not self.drawn_to)

    def grown(self, lines: Mapping[str, Line]) -> "Growing":
        """The same with all points of `lines` that have come since."""
        newest = last_step(lines)
        return self if newest == self.newest else replace(self, newest=newest, tail=loss_tail(lines, self.drawn_to))
