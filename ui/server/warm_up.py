"""Load what pages and training need, and go on with the queue, before anything is asked for."""

import importlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from ui.server import process_memory

DELAY_SECONDS = 0.3
"""The delay after the first page's script has ended: until then the server sends that page to the browser."""
_OF_PAGES = (
    "pandas",
    "scipy.special",
    "ui.live.feed",
    "ui.live.data",
    "ui.api.pictures",
    "engine.housekeeping.overview",
    "ui.runs.rows",
    "ui.compare.sections",
    "ui.compare.parts.section_tabs",
    "ui.compare.parts.download_buttons",
    "ui.understand.answers",
    "ui.understand.passages",
    "ui.report.offer",
    "ui.report.sections",
    "engine.insight.serving.desk",
    "engine.running.queue",
)
"""Pages are made of these: tables, the store, figures. The server is idle while the browser loads Streamlit."""
_OF_RUNS = ("engine.execution.execute", "engine.forecast.estimate", "transformers.models.gpt2.modeling_gpt2")
"""A run and an estimate import these: torch, transformers and the kind of model that most begin with."""

_FIRST_PAGE = threading.Event()
"""Set once the first page is drawn."""


@asynccontextmanager
async def beside_the_server(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Load what pages need as soon as the server listens, and go on with the queue: no run waits for a page."""
    _in_a_thread(0.0, _open)
    yield {}


@cache
def begin() -> None:
    """Load what training needs, once a process."""
    _in_a_thread(DELAY_SECONDS, finish)
    _FIRST_PAGE.set()


def finish_after_first_page() -> None:
    """The same as `finish`, for threads that a page has begun: they must not keep the first one from the screen."""
    _FIRST_PAGE.wait()
    finish()


def finish() -> None:
    """Load what training needs, or wait until it is loaded: before a page asks for any of it.

    Threads that come into transformers by different ways find it half loaded, and fail; this is the way of `begin`.
    """
    _load(_OF_RUNS)
    process_memory.settle()


def _open() -> None:
    _load(_OF_PAGES)
    from engine.common.errors import PalimpsestError
    from engine.common.paths import data_folder
    from engine.running.queue import get_runner

    with suppress(PalimpsestError):  # every page says it
        get_runner(data_folder())


def _in_a_thread(delay_seconds: float, work: Callable[[], None]) -> None:
    timer = threading.Timer(delay_seconds, work)
    timer.name, timer.daemon = "palimpsest-warm-up", True
    timer.start()


def _load(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)
