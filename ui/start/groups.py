"""Runs at a glance, gathered by experiment."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.store.outlines import RunOutline

TROUBLE = ("failed", "interrupted")


@dataclass(frozen=True)
class Group:
    """The runs of one experiment."""

    experiment_id: str
    name: str
    runs: tuple[RunOutline, ...]

    @property
    def going(self) -> tuple[RunOutline, ...]:
        """The runs that have not ended."""
        return tuple(run for run in self.runs if run.is_going)

    @property
    def current(self) -> RunOutline | None:
        """The run that is trained now."""
        return next((run for run in self.runs if run.status == "running"), None)

    @property
    def in_trouble(self) -> tuple[RunOutline, ...]:
        """The runs that failed or were cut short."""
        return tuple(run for run in self.runs if run.status in TROUBLE)

    @property
    def finished(self) -> int:
        """How many of its runs came to their end."""
        return sum(run.status == "finished" for run in self.runs)

    @property
    def share(self) -> float:
        """The part of the steps of all its runs that is done, from 0 to 1."""
        return sum(1.0 if run.status == "finished" else run.share for run in self.runs) / len(self.runs)

    @property
    def ended_at(self) -> float:
        """When the last of its runs ended; 0 where that is not known."""
        return max((run.ended_at or 0.0 for run in self.runs), default=0.0)


@dataclass(frozen=True)
class Glance:
    """Every experiment in one of four places, the newest first in each."""

    going: tuple[Group, ...]
    """Something of it runs or waits."""
    in_trouble: tuple[Group, ...]
    """It has ended, and a run of it failed or was cut short."""
    fresh: tuple[Group, ...]
    """It has ended well since the last visit."""
    earlier: tuple[Group, ...]


def groups(outlines: Iterable[RunOutline]) -> tuple[Group, ...]:
    """The runs by experiment, in the order in which these come."""
    own: dict[str, list[RunOutline]] = {}
    for run in outlines:
        own.setdefault(run.experiment_id, []).append(run)
    return tuple(Group(each, runs[0].experiment, tuple(runs)) for each, runs in own.items())


def glance(found: Iterable[Group], last_visit: float | None) -> Glance:
    """Everything in its place; on a first visit, `last_visit` None, all that ended well is fresh."""
    going: list[Group] = []
    in_trouble: list[Group] = []
    fresh: list[Group] = []
    earlier: list[Group] = []
    for group in found:
        if group.going:
            going.append(group)
        elif group.in_trouble:
            in_trouble.append(group)
        else:
            (fresh if last_visit is None or group.ended_at > last_visit else earlier).append(group)
    newest = sorted(fresh, key=lambda group: -group.ended_at)
    return Glance(tuple(going), tuple(in_trouble), tuple(newest), tuple(earlier))
