"""Which of a conversation's oldest exchanges go where it is longer than a block: as few as must."""

from __future__ import annotations

from collections.abc import Sequence

from engine.tasks.documents import Turn


class Shortening:
    """A search by halves for the first of several ever shorter conversations that fits; the last where none does.

    An exchange ends before the next turn of the user. System turns at the beginning stay.
    """

    def __init__(self, turns: Sequence[Turn], to_the_end: bool) -> None:
        """Of turns that do not fit. Without `to_the_end` what follows the last answer to learn goes first."""
        last = max((number for number, turn in enumerate(turns) if turn.is_answer), default=len(turns) - 1)
        self._turns = tuple(turns) if to_the_end else tuple(turns[: last + 1])
        self.after = len(turns) - len(self._turns)
        """How many turns follow the last answer and go."""
        self._lead, begins = _exchanges(self._turns, last)
        self._begins = [self._lead, *begins]
        self._too_long, self._best, self._is_tried = -1 if self.after else 0, len(begins), not begins and not self.after

    @property
    def candidate(self) -> tuple[Turn, ...] | None:
        """The turns to be tried next; None once the search is over."""
        if self._best - self._too_long <= 1 and self._is_tried:
            return None
        return self._turns[: self._lead] + self._turns[self._begins[self._at] :]

    @property
    def dropped(self) -> int:
        """Turns of the oldest exchanges that go, once the search is over."""
        return self._begins[self._best] - self._lead

    def answer(self, fits: bool) -> bool:
        """Whether the candidate fits; returns whether it is the best so far."""
        at = self._at
        if fits or at == self._best:
            self._best, self._is_tried = at, True
            return True
        self._too_long = at
        return False

    @property
    def _at(self) -> int:
        between = self._best - self._too_long > 1
        return (self._too_long + self._best) // 2 if between else self._best


def _exchanges(turns: Sequence[Turn], last: int) -> tuple[int, list[int]]:
    """Where the first exchange begins, and each later one that has an answer to learn in or after it."""
    lead = next((number for number, turn in enumerate(turns) if turn.role != "system"), len(turns))
    first = next((n for n in range(lead, len(turns)) if turns[n].role == "assistant"), len(turns))
    return lead, [number for number in range(first + 1, last + 1) if turns[number].role == "user"]
