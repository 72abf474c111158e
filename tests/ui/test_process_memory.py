"""Memory that threads freed is not kept for each of them."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ui.process_memory import ARENAS

ROOT = Path(__file__).resolve().parents[2]
COUNT_ARENAS = """
import ctypes, os, sys, threading
from ui.process_memory import share_arenas
if sys.argv[1] == "shared":
    share_arenas()
meet = threading.Barrier(12)
def work():
    meet.wait()
    blocks = [bytearray(5_000) for _ in range(50)]
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL("libc.so.6")
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def arenas(how: str) -> int:
    variables = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    command = [sys.executable, "-c", COUNT_ARENAS, how]
    said = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=True)
    return said.stdout.count("<heap nr=")


def test_threads_share_a_few_arenas_of_the_c_library() -> None:
    try:
        ctypes.CDLL("libc.so.6").malloc_info  # noqa: B018
    except (OSError, AttributeError):
        pytest.skip("this C library is not glibc")
    assert arenas("as it is") > ARENAS
    assert arenas("shared") <= ARENAS
