"""Files and a task's specification come in; documents on two sides, train and held-out, go out.

It imports `tasks/tables`, `tasks/documents`, `tasks/files` and `common`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.tasks.documents import Document, Task
    from engine.tasks.load import load_task
    from engine.tasks.sample_tasks import Sample, samples
    from engine.tasks.streamed import open_task

__all__ = ["Document", "Sample", "Task", "load_task", "open_task", "samples"]

_HOMES = {
    "Document": "engine.tasks.documents",
    "Sample": "engine.tasks.sample_tasks",
    "Task": "engine.tasks.documents",
    "load_task": "engine.tasks.load",
    "open_task": "engine.tasks.streamed",
    "samples": "engine.tasks.sample_tasks",
}


def __getattr__(name: str) -> Any:
    """Import on first use: an experiment's description needs `tasks.spec` alone, and no page waits for readers."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engine.tasks' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
