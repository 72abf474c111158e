"""One chart through a hundred refreshes, in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright to run the browser tests")

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--disable-quic",
]  # fmt: skip
REFRESHES = 100
STATE = """() => [...document.querySelectorAll(".palimpsest-chart")].map((node, i) => ({
  same: window.seen ? window.seen[i].node === node && window.seen[i].svg === node.querySelector(".main-svg") : true,
  x: node._fullLayout.xaxis.range, y: node._fullLayout.yaxis.range,
  visible: Object.fromEntries(node._fullData.map((trace) => [trace.uid, trace.visible])),
}))"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: install the package chromium to run this"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(Path(__file__).with_name("chart_app.py")),
               "--server.port", str(port), "--server.headless", "true"]  # fmt: skip
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", address: str) -> Iterator["sync_api.Page"]:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.complaints = []
    page.frames_received = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: page.frames_received.append(len(data))))
    page.goto(address)
    page.wait_for_function("() => document.querySelectorAll('.palimpsest-chart .main-svg').length >= 2", timeout=120_000)
    yield page
    page.close()


def refreshes(page: "sync_api.Page") -> int:
    return int(page.get_by_text("refreshes: ").inner_text().removeprefix("refreshes: "))


def wait_for_refreshes(page: "sync_api.Page", number: int) -> None:
    goal = refreshes(page) + number
    page.wait_for_function(
        "(goal) => [...document.querySelectorAll('[data-testid=stText]')].some((text) =>"
        " text.innerText.startsWith('refreshes: ') && Number(text.innerText.slice(11)) >= goal)",
        arg=goal,
        timeout=300_000,
    )


def test_zoom_legend_and_scroll_survive_a_hundred_refreshes_on_the_same_node(page: "sync_api.Page") -> None:
    plot = page.locator(".palimpsest-chart").first
    box = plot.locator(".nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 100, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 200, steps=5)
    wait_for_refreshes(page, 3)  # a drag outlives refreshes too
    page.mouse.up()
    plot.locator(".legendtoggle").nth(1).click()
    page.wait_for_timeout(600)  # Plotly waits for a second click
    page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 350)")
    page.evaluate(
        "() => { window.seen = [...document.querySelectorAll('.palimpsest-chart')]"
        ".map((node) => ({ node, svg: node.querySelector('.main-svg') })); }"
    )
    before = page.evaluate(STATE)
    points = page.evaluate("() => document.querySelector('.palimpsest-chart').data[0].x.length ?? 0")
    assert before[0]["x"][0] > 1
    assert before[0]["x"][1] < 300
    assert "legendonly" in before[0]["visible"].values()

    wait_for_refreshes(page, REFRESHES)

    after = page.evaluate(STATE)
    assert [chart["same"] for chart in after] == [True, True]
    assert after[0] == before[0]
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop") == 350
    assert (
        page.evaluate("() => document.querySelector('.palimpsest-chart').data[0].x.length ?? 0") != points
        or points == 0
    )
    assert page.complaints == []


def test_the_library_comes_once_and_refreshes_are_small(page: "sync_api.Page") -> None:
    wait_for_refreshes(page, 10)
    assert sum(size > 1_000_000 for size in page.frames_received) == 1
    assert max(page.frames_received[-20:]) < 100_000


def test_a_click_on_a_cell_reaches_python(page: "sync_api.Page") -> None:
    box = page.locator(".palimpsest-chart").nth(1).locator(".nsewdrag").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 1.5 / 4)
    page.get_by_text("clicked: [1, 2]").wait_for(timeout=15_000)


def test_charts_have_an_alternative_text_that_is_kept_up_to_date(page: "sync_api.Page") -> None:
    chart = page.get_by_role("img", name="Score matrix")
    assert "bread 2.000" in chart.get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_follow_the_theme_and_fit_a_narrow_screen(page: "sync_api.Page", scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_function("() => document.querySelector('.palimpsest-chart')._fullLayout.height === 500")
    wait_for_refreshes(page, 3)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    ink, text = page.evaluate(
        "() => { const node = document.querySelector('.palimpsest-chart'); return [node._fullLayout.font.color,"
        " getComputedStyle(node).getPropertyValue('--st-text-color').trim()]; }"
    )
    assert ink.lower() == text.lower()
