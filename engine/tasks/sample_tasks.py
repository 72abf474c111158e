"""The texts that come with the project, to start from without any of one's own."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.tasks.spec import TaskSpec

FOLDER = Path(__file__).resolve().parents[2] / "samples"


@dataclass(frozen=True)
class Sample:
    """A task that comes with the project."""

    name: str
    title: str
    description: str
    spec: TaskSpec


@cache
def samples() -> tuple[Sample, ...]:
    """All samples, in the order in which the demo learns them, with absolute paths."""
    rows = json.loads((FOLDER / "samples.json").read_text(encoding="utf-8"))
    return tuple(
        Sample(
            row["name"],
            row["title"],
            row["description"],
            TaskSpec(
                name=row["title"],
                train=(str(FOLDER / row["file"]),),
                split=row["split"],
                text_column=row.get("text_column"),
                prompt_column=(row["prompt_column"],) if "prompt_column" in row else None,
                completion_column=row.get("completion_column"),
            ),
        )
        for row in rows
    )
