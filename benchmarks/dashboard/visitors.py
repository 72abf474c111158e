"""Visitors of the app: sessions that cost next to nothing themselves, and a real browser's pages."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import httpx
from playwright.async_api import Browser, FilePayload, Page, async_playwright
from playwright.async_api import Error as PlaywrightError
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException

from benchmarks.dashboard.server import Server
from benchmarks.dashboard.watchers import Watcher

FAILURES = (TimeoutError, httpx.HTTPError, WebSocketException, PlaywrightError)
"""The outcomes that a visit may have."""
PATIENCE_SECONDS = 120.0
_FILE = b"word " * 200_000


@dataclass
class Tally:
    """By all visitors together."""

    opened: int = 0
    opening_seconds: list[float] = field(default_factory=list)
    uploads: int = 0
    errors: list[str] = field(default_factory=list)


class Visitor(Protocol):
    """Somebody who has a page open."""

    async def open(self) -> None:
        """Until the page is there."""

    async def send_file(self) -> None:
        """Upload a megabyte."""

    async def close(self) -> None: ...


Visits = Callable[[str], Visitor]
"""Makes a visitor of a page."""


class LightVisitor(Watcher):
    """A session that speaks Streamlit's protocol, uploads, and notes every exception that a page shows."""

    def __init__(self, address: str, tally: Tally, page: str) -> None:
        super().__init__(address, page)
        self._address, self._tally = address, tally
        self._session = ""
        self.upload: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        self._visit = asyncio.create_task(self.watch())
        await self.opened.wait()

    async def close(self) -> None:
        self._visit.cancel()
        with suppress(asyncio.CancelledError, WebSocketException):
            await self._visit

    def _take(self, data: bytes, began: float) -> None:
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._session = message.new_session.initialize.session_id
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            shown = message.delta.new_element.exception
            self._tally.errors.append(f"{self._page}: {shown.type}: {shown.message}")
        elif kind == "file_urls_response" and not self.upload.done():
            self.upload.set_result(message.file_urls_response.file_urls[0].upload_url)
        super()._take(data, began)

    async def send_file(self) -> None:
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append("notes.txt")
        message.file_urls_request.session_id = self._session
        await self._socket.send(message.SerializeToString())
        url = await asyncio.wait_for(self.upload, 30)
        async with httpx.AsyncClient(base_url=self._address, timeout=60) as client:
            await client.get("/_stcore/health")
            token = client.cookies.get("_streamlit_xsrf") or ""
            files = {"file": ("notes.txt", _FILE)}
            answer = await client.put(url, files=files, headers={"X-Xsrftoken": token})
        if answer.status_code >= 300:
            self._tally.errors.append(f"upload: {answer.status_code} {answer.text[:200]}")
        self._tally.uploads += 1


class BrowserVisitor:
    """A page of Chromium in a profile of its own."""

    def __init__(self, browser: Browser, address: str, tally: Tally, page: str) -> None:
        self._browser, self._address, self._tally, self._name = browser, address, tally, page
        self._page: Page | None = None

    async def open(self) -> None:
        context = await self._browser.new_context()
        self._page = await context.new_page()
        self._page.on("pageerror", lambda error: self._tally.errors.append(f"{self._name}: {error}"))
        await self._goto(self._page, self._name)

    async def send_file(self) -> None:
        assert self._page is not None
        await self._goto(self._page, "tasks")
        file = FilePayload(name="notes.txt", mimeType="text/plain", buffer=_FILE)
        await self._page.locator("input[type=file]").first.set_input_files(file, timeout=1000 * PATIENCE_SECONDS)
        await self._page.get_by_text("notes.txt").first.wait_for(timeout=1000 * PATIENCE_SECONDS)
        self._tally.uploads += 1

    async def close(self) -> None:
        if self._page is None:
            return
        try:
            for shown in await self._page.locator("[data-testid=stException]").all_inner_texts():
                self._tally.errors.append(f"{self._name}: {shown}")
        except PlaywrightError as error:
            self._tally.errors.append(f"{self._name}: {error}")
        await self._page.context.close()

    async def _goto(self, page: Page, name: str) -> None:
        await page.goto(f"{self._address}/{name}", timeout=1000 * PATIENCE_SECONDS)
        await page.locator("h1").first.wait_for(timeout=1000 * PATIENCE_SECONDS)


@asynccontextmanager
async def visits_of(server: Server, tally: Tally, browser: bool) -> AsyncIterator[Visits]:
    """Visitors that cost next to nothing themselves, or Chromium's."""
    if not browser:
        yield partial(LightVisitor, server.address, tally)
        return
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield partial(BrowserVisitor, chromium, server.address, tally)
        await chromium.close()
