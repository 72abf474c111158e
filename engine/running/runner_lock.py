"""The lock that gives a data folder to one process."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from engine.common.durable_files import writing
from engine.common.errors import StoreError
from engine.common.paths import made


class RunnerLock:
    """The right to execute runs in a data folder, held by one process at a time and free once that process ends."""

    def __init__(self, folder: Path) -> None:
        made(folder)
        self._lock = FileLock(folder / "runner.lock", thread_local=False)
        self._about = folder / "runner.json"

    def take(self) -> bool:
        """Try once; True when this process now holds the lock. Raises StoreError where it can't be written."""
        if self._lock.is_locked:
            return True
        with writing(Path(self._lock.lock_file)):
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                return False
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M")}
        fresh = self._about.with_suffix(f".{os.getpid()}.tmp")
        try:
            with writing(self._about):
                fresh.write_text(json.dumps(about), encoding="utf-8")
                fresh.replace(self._about)
        except StoreError:
            self._lock.release()  # others would read of an earlier holder
            raise
        return True

    def hold_off(self) -> bool:
        """Keep others from executing runs in a folder that is only read, and write nothing there; False where somebody
        does now. Where the lock can't be had, as on a disk that is read-only, heartbeats alone tell of others."""
        if not Path(self._lock.lock_file).exists():
            return True
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError:
            return True
        return True

    def holder(self) -> str:
        """Its holder, in words."""
        try:
            about: dict[str, Any] = json.loads(self._about.read_text(encoding="utf-8"))
            return f"process {about['process']} on {about['host']} since {about['since']}"
        except (OSError, ValueError, KeyError):
            return "another process"

    def release(self) -> None:
        self._lock.release()
