"""Files that native or elaborate code reads are read by a process of their own.

A file made for it can end the program that reads it, fill its memory or keep it busy for ever. So that this ends a
child and not the server, the child reads the file and hands plain data back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.common.errors import TaskError

SECONDS = 300
MEMORY_BYTES = 6 * 2**30
"""Address space of the child; what it holds at a time is the file, its cells, and its cells as they are handed back."""
_ROOT = Path(__file__).resolve().parents[3]
_REFUSED = 3


def command(module: str) -> list[str]:
    """What runs the function `child` of a module of ours."""
    return [sys.executable, "-c", f"from {module} import child; child()"]


def read_in_child(command: list[str], name: str, data: bytes, damaged: str, instead: str) -> bytes:
    """What the child wrote to stdout. `damaged` and `instead` are what is said where it ends early or takes too long.

    Raises TaskError.
    """
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    arguments = [*command, name.encode("utf-8", "replace").decode().replace("\0", "\ufffd")]
    try:
        done = subprocess.run(  # noqa: S603 - the name is an argument that is only printed
            arguments, input=data, capture_output=True, cwd=_ROOT, env=environment, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(f"{name}: reading it takes too long; {instead}.") from error
    if done.returncode == _REFUSED:
        raise TaskError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode:
        raise TaskError(f"{name}: {damaged}.")
    return done.stdout


def serve(read: Callable[[str, bytes], bytes]) -> None:
    """In the child: read the file from stdin; write what `read` gives to stdout, or a sentence of ours to stderr."""
    _limit_memory()
    try:
        result = read(sys.argv[1], sys.stdin.buffer.read())
    except TaskError as error:
        sys.stderr.write(str(error))
        sys.exit(_REFUSED)
    sys.stdout.buffer.write(result)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    with suppress(OSError, ValueError):  # where a stricter limit stands, or macOS
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
