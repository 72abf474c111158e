"""Load what the next pages and training need while the first page is being read, so that nobody waits for it later."""

import importlib
import threading
from functools import cache

DELAY_SECONDS = 0.3
"""After the first page's script has ended: until then the server sends that page to the browser."""
_NEEDED = ("pandas", "engine.drive", "engine.estimate", "transformers.models.gpt2.modeling_gpt2")
"""Tables, then what a run and an estimate import: torch, transformers and the kind of model that most begin with."""


@cache
def begin() -> None:
    """Once a process, in a thread of its own."""
    timer = threading.Timer(DELAY_SECONDS, _load)
    timer.name, timer.daemon = "palimpsest-warm-up", True
    timer.start()


def _load() -> None:
    for name in _NEEDED:
        importlib.import_module(name)
