"""Tasks: files of every kind to documents, the library that keeps them, and the samples to start from."""

from engine.tasks.documents import Document, Task
from engine.tasks.load import load_task
from engine.tasks.sample_tasks import Sample, samples
from engine.tasks.streamed import open_task

__all__ = ["Document", "Sample", "Task", "load_task", "open_task", "samples"]
