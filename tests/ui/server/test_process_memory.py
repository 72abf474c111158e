"""Memory that threads freed is not kept for each of them."""

import re
import sys
from pathlib import Path

import pytest

from tests.web.client import session
from tests.web.servers import app
from ui.server.process_memory import ARENAS

HEAP_BYTES = 64 * 2**20
"""Of each arena of glibc but the first: so much of the address space, at a multiple of it."""


def heaps(process: int) -> int:
    """How many such arenas a process has, by its map of memory."""
    found, before = 0, (0, 0)
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        region = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ 0\s*$", line)
        if region is None:
            continue
        start, end = int(region[1], 16), int(region[2], 16)
        rest = region[3].startswith("---") and start == before[1]  # kept free for what is in front of it
        found += rest and before[0] % HEAP_BYTES == 0 and end - before[0] == HEAP_BYTES
        before = start, end
    return found


def heaps_after_visits(data: Path, **environment: str) -> tuple[int, int]:
    """After the first visit, and after four."""
    found = []
    with app(data, **environment) as server:
        for page in ("", "tasks", "live", "compare"):
            with session(server.address) as visitor:
                visitor.draw(page)
            found.append(heaps(server.process))
    return found[0], found[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="the C library is not glibc")
def test_the_threads_of_a_server_share_a_few_arenas_of_the_c_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    (first, few), (_, many) = heaps_after_visits(tmp_path), heaps_after_visits(tmp_path, MALLOC_ARENA_MAX="32")
    # On a busy machine Streamlit's own threads have made more before the app could say so; visits add none to them.
    assert 0 < few <= max(first, ARENAS + 1)
    assert many > few
