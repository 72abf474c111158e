"""A Chromium and a running app for the browser tests."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.dashboard.server import running

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
]  # fmt: skip

PATIENCE = 300_000
"""Milliseconds after which a test that waits in vain fails; no promise of speed, since a machine may be very busy."""

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium under Playwright. Without one the test is skipped, or fails where browsers are required."""
    if CHROMIUM is None:
        reason = "no Chromium found: install the package chromium to run the browser tests"
        if os.environ.get("PALIMPSEST_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=PATIENCE)
        for name in ("new_page", "new_context"):
            setattr(browser, name, _patient(getattr(browser, name)))
        yield browser
        browser.close()


def _patient(new: Callable[..., Any]) -> Callable[..., Any]:
    """Of a browser's ways to open something, one that gives it the time that a busy machine takes."""

    def opened(**options: Any) -> Any:
        made = new(**options)
        made.set_default_timeout(PATIENCE)
        return made

    return opened


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """`serve(app, **environment)` starts a Streamlit app on a free port and gives its address."""
    with ExitStack() as servers:
        yield (
            lambda app, **environment: (
                servers.enter_context(running(Path(app), Path(os.devnull), **environment)).address
            )
        )
