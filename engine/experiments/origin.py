"""Where an experiment or a run comes from, as plain data that the store and results files hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.events.run_events import unlike_arithmetic

Kind = Literal["continued", "duplicated", "edited"]
"""It goes on after the stages of an earlier one; it has the settings of another one, or of a run of it; it has those of
a run that ended early, to do better."""
Changed = Mapping[str, Sequence[str]]
"""What each field was and is, as two texts, by the words for the field."""


@dataclass(frozen=True)
class Origin:
    """The experiment, or the run of it, that another one was made from."""

    kind: Kind
    experiment_id: str
    name: str
    """The experiment's name at that time: it may be deleted since."""
    run_id: str | None = None
    """None for an experiment's own origin."""
    stages: int = 0
    """How many stages were taken from it; for an experiment how many tasks it had."""
    folder: str = ""
    """The folder that it was taken from; empty where it is in the same one."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """The facts of the machine that trained a run's stages."""
    changed: Changed | None = None
    """What was changed; empty where nothing was, None where that was not recorded."""

    @property
    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    def unlike(self, environment: Mapping[str, Any]) -> list[str]:
        """The facts by which a run with this environment may compute other numbers than those of the stages that it
        has taken: then its numbers are not, bit for bit, those of a run that trained all stages itself."""
        return unlike_arithmetic(self.environment, environment) if self.stages and environment else []


def origin_of(data: Mapping[str, Any] | None) -> Origin | None:
    """The inverse of `Origin.data`; fields that a later version has added are left out."""
    if not data:
        return None
    known = {name: data[name] for name in Origin.__dataclass_fields__ if name in data}
    return Origin(**known)
