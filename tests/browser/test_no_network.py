"""No page asks anything of any server but its own."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from benchmarks.dashboard.server import serve
from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import FakeRun, experiment

pytestmark = pytest.mark.browser

PAGES = {
    "": "Palimpsest", "tasks": "Tasks", "experiment": "Experiment", "live": "Live", "compare": "Compare",
}  # fmt: skip
OF_THE_BROWSER = "content-autofill.googleapis.com"
"""Chromium itself asks it what the fields of a page may be for, whoever made the page."""
LINKS = """() => [...document.querySelectorAll("link[href], [src], image[href]")].map((node) =>
  new URL(node.getAttribute("src") ?? node.getAttribute("href"), document.baseURI).href)"""
FONTS = """() => [...document.fonts].filter((font) => font.status === "loaded").map((font) => font.family)"""


@contextmanager
def other_servers() -> Iterator[tuple[str, list[str]]]:
    """Stands for all servers but those of this machine: a proxy's address, and what was asked of it. It refuses all."""
    asked: list[str] = []

    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode("latin-1").strip()
            if OF_THE_BROWSER not in line:
                asked.append(line)
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A finished experiment, one that waits, and a task."""
    texts = tmp_path / "texts"
    texts.mkdir()
    store = Store(tmp_path / "data")
    store.add_experiment(experiment(texts, name="Done :rocket: 🚀"))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    store.close()
    documents = tuple(Document(f"A note on bread, number {number}.") for number in range(8))
    Library(store.folder).add(Task("bread", documents[:6], documents[6:]))
    return store.folder


def is_own(address: str, server: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("data", "blob", "about") or parts.netloc == urlsplit(server).netloc


def test_no_page_asks_anything_of_another_server(browser: Any, data: Path) -> None:
    with other_servers() as (proxy, asked), serve(data) as server:
        context = browser.new_context(
            viewport={"width": 1400, "height": 2500}, proxy={"server": proxy, "bypass": "127.0.0.1"}
        )
        requests, refused = [], []
        context.on("request", lambda request: requests.append(request.url))
        page = context.new_page()
        page.on("websocket", lambda socket: requests.append(socket.url))
        page.on(
            "console",
            lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None,
        )
        for path, title in PAGES.items():
            page.goto(f"{server.address}/{path}")
            expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
            expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
            if path in ("live", "compare"):
                page.locator(".palimpsest-chart .main-svg").first.wait_for()
            icon = page.locator("link[rel~=icon]")
            expect(icon).to_have_attribute("href", re.compile("^data:image/svg"))
            assert [link for link in page.evaluate(LINKS) if not is_own(link, server.address)] == []
            assert any("Material" in family for family in page.evaluate(FONTS)), "the buttons' icons are there"
        context.close()
    assert len(requests) > 50
    assert [url for url in requests if not is_own(url, server.address)] == []
    assert asked == []
    assert refused == []


def test_what_a_page_would_ask_of_another_server_is_seen_by_this_test(browser: Any) -> None:
    with other_servers() as (proxy, asked):
        context = browser.new_context(proxy={"server": proxy, "bypass": "127.0.0.1"})
        page = context.new_page()
        page.set_content('<link rel="icon" href="https://elsewhere.example/x.svg"><img src="http://other.example/y">')
        page.wait_for_load_state("networkidle")
        context.close()
    assert any("other.example" in line for line in asked)
