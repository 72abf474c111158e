"""What can be seen of the driver from outside: its processor time and memory, and when a step can be read."""

import bisect
import os
import sqlite3
import time
from pathlib import Path

LOOK_SECONDS = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far, all threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(process: int) -> float:
    """The most memory of a process that was ever resident, in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


class Onlooker:
    """Notes when which step of each run can be read, by a connection of its own."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        self._version = -1
        self._steps: dict[str, list[int]] = {}
        self._times: dict[str, list[float]] = {}

    def look(self) -> None:
        """Look once."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return
        self._version = version
        found = self._connection.execute("SELECT run_id, step FROM runs WHERE status = 'running'").fetchall()
        now = time.time()
        for run_id, step in found:
            known = self._steps.setdefault(run_id, [0])
            if step > known[-1]:
                known.append(step)
                self._times.setdefault(run_id, [0.0]).append(now)

    def events(self) -> int:
        """The number of steps that can be read."""
        return sum(steps[-1] for steps in self._steps.values())

    def seen(self, run_id: str, step: int) -> float | None:
        """When a step could first be read, in seconds since 1970; None for the last ones of a run, which can be read
        only once it has ended."""
        steps = self._steps.get(run_id, [0])
        place = bisect.bisect_left(steps, step)
        return self._times[run_id][place] if 0 < place < len(steps) else None

    def close(self) -> None:
        self._connection.close()
