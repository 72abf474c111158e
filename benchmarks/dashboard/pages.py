"""Two kinds of watchers: light ones, and a real browser's pages."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.dashboard.server import Server
from benchmarks.dashboard.watchers import Watcher, closed, opened

Seen = Callable[[], Awaitable[list[tuple[float, int]]]]
"""Gives when which step was there."""

_RECORDER = """() => {
  window.seen = [];
  setInterval(() => {
    const node = document.querySelector(".palimpsest-chart");
    const trace = node?._fullData?.find((each) => each.uid === "new");
    const step = trace?.x?.[trace.x.length - 1];
    if (step && step !== window.seen.at(-1)?.[1]) window.seen.push([Date.now() / 1000, step]);
  }, 20);
}"""


@asynccontextmanager
async def light_pages(server: Server, count: int) -> AsyncIterator[Seen]:
    """`count` watchers of the Live page that cost next to nothing themselves; the first looks into its chart."""
    watchers, tasks = await opened([Watcher(server.address, "live", reads_charts=not n) for n in range(count)])

    async def seen() -> list[tuple[float, int]]:
        return watchers[0].seen.steps if watchers else []

    yield seen
    await closed(tasks)


@asynccontextmanager
async def browser_pages(server: Server, count: int) -> AsyncIterator[Seen]:
    """`count` pages of headless Chromium, which draws every point; the first is looked into."""
    from playwright.async_api import async_playwright

    arguments = ["--no-sandbox", "--disable-gpu"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        pages = []
        for _ in range(count):
            context = await browser.new_context(viewport={"width": 1280, "height": 900})
            pages.append(await context.new_page())
            await pages[-1].goto(f"{server.address}/live")
            await pages[-1].locator(".palimpsest-chart .nsewdrag").first.wait_for(timeout=120_000)
        if pages:
            await pages[0].evaluate(_RECORDER)

        async def seen() -> list[tuple[float, int]]:
            return [(at, int(step)) for at, step in await pages[0].evaluate("() => window.seen")] if pages else []

        yield seen
        await browser.close()
