"""The log file of a run."""

import os
import time
from contextlib import suppress

from engine.store import Store


def log(store: Store, run_id: str, text: str, anew: bool = True) -> None:
    """Append to the run's log file, or to one that is there alone; a full disk loses the line, not the run."""
    path = store.log_path(run_id)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        without = 0 if anew else os.O_CREAT
        with open(
            path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags & ~without, 0o666)
        ) as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text.rstrip()}\n")
