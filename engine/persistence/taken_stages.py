"""A note in a run's folder on the stages that it has taken from a run with fewer tasks."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.common.errors import StoreError

_FILE = "taken-stages.json"


@dataclass(frozen=True)
class TakenStages:
    """The stages that a run has taken, and the tasks that their checkpoints are scored on already."""

    stages: int
    """How many, from the first."""
    tasks: tuple[str, ...]
    """Names of tasks."""
    environment: dict[str, Any]
    """The facts of the machine that trained them."""


def note_taken(run_folder: Path, taken: TakenStages) -> None:
    """Write the note. Raises OSError."""
    (run_folder / _FILE).write_text(json.dumps(asdict(taken)), encoding="utf-8")


def taken_stages(run_folder: Path) -> TakenStages | None:
    """The note of a run that has taken stages, None for others. Raises StoreError."""
    try:
        found = json.loads((run_folder / _FILE).read_text(encoding="utf-8"))
        return TakenStages(int(found["stages"]), tuple(map(str, found["tasks"])), dict(found["environment"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{run_folder / _FILE}: this file can't be read, so it is not known which stages this run has taken over; "
            "add the task to the earlier experiment once more."
        ) from error
