"""Plain values of files and tables come in; documents, whose turns say who speaks, go out. It imports `tasks/files`."""

from engine.tasks.documents.task import Document, Fingerprint, Kind, Task, TaskReading, Turn, kind_of

__all__ = ["Document", "Fingerprint", "Kind", "Task", "TaskReading", "Turn", "kind_of"]
