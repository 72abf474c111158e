"""The app as a process of its own, and the processor time that it takes."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300.0
"""A server that does not answer after so long has failed; a busy machine takes minutes."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running app."""

    address: str
    process: int

    def resident_mb(self) -> float:
        """Memory of the process that is resident, in MB."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def cpu_seconds(self) -> float:
        """Processor time of the process so far, all threads together."""
        return _cpu_seconds(self.process)

    def cpu_seconds_of_others(self) -> float:
        """The time that the machine has worked so far for anything but the app and this measurement."""
        user, nice, system, _, _, interrupts, soft, *_ = Path("/proc/stat").read_text().split()[1:]
        return (
            sum(map(int, (user, nice, system, interrupts, soft))) / _TICKS
            - self.cpu_seconds()
            - _cpu_seconds(os.getpid())
        )


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def serve(data: Path) -> Iterator[Server]:
    """The app on a free port with `data` as its data folder."""
    with running(ROOT / "app.py", data / "server.log", PALIMPSEST_DATA=str(data), HF_HUB_OFFLINE="1") as server:
        yield server


@contextmanager
def running(app: Path, log: Path, **environment: str) -> Iterator[Server]:
    """A Streamlit app on a free port; what it says goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.headless=true", f"--server.port={port}"]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/_stcore/health", process)
        yield Server(address, process.pid)
    finally:
        ended(process)


def ended(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end and wait until it has: what is in the middle of something first ends that."""
    process.terminate()
    try:
        process.wait(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer; see what the server said")
