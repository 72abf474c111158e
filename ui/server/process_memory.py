"""Settings that keep the memory of a server small that runs for days."""

import ctypes
import gc
import os
from contextlib import suppress
from functools import cache

ARENAS = 2
_M_ARENA_MAX = -8


def share_arenas() -> None:
    """Have all threads take their memory from two places, or from those that there are already, in glibc.

    It would make up to eight places a core, and keep in each what is freed there: pages run in threads of a moment, and
    the server of a long run would hold hundreds of megabytes that nothing uses. MALLOC_ARENA_MAX chooses otherwise.
    """
    if "MALLOC_ARENA_MAX" not in os.environ and "arena_max" not in os.environ.get("GLIBC_TUNABLES", ""):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, ARENAS)


@cache
def settle() -> None:
    """Keep what is loaded now for good. As long as the interpreter looks through all of torch for garbage it does so
    rarely: not before hundreds of megabytes of figures lie about."""
    gc.freeze()
