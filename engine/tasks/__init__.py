"""Files and a task's specification come in; documents on two sides, train and held-out, go out.

It imports `tasks/tables`, `tasks/documents`, `tasks/files` and `common`.
"""

from engine.tasks.documents import Document, Task
from engine.tasks.load import load_task
from engine.tasks.sample_tasks import Sample, samples
from engine.tasks.streamed import open_task

__all__ = ["Document", "Sample", "Task", "load_task", "open_task", "samples"]
