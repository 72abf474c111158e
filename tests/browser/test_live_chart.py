"""One chart through a hundred refreshes, in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import PATIENCE, Serve

REFRESHES = 100
AREA = """(place) => {
  const node = document.querySelectorAll(".palimpsest-chart")[place];
  const { left, top } = node.getBoundingClientRect();
  const { l, t, w, h } = node._fullLayout._size;
  return { x: left + l, y: top + t, width: w, height: h };
}"""
LEGEND = """() => {
  const { left, top, height } = document.querySelectorAll(".palimpsest-chart .legendtoggle")[1].getBoundingClientRect();
  return [left + 10, top + height / 2];
}"""
POINTS = "() => document.querySelector('.palimpsest-chart').calcdata[0].length"
STATE = """() => [...document.querySelectorAll(".palimpsest-chart")].map((node, i) => ({
  same: window.seen ? window.seen[i].node === node && window.seen[i].svg === node.querySelector(".main-svg") : true,
  x: node._fullLayout.xaxis.range, y: node._fullLayout.yaxis.range,
  visible: Object.fromEntries(node._fullData.map((trace) => [trace.uid, trace.visible])),
}))"""
ZOOMED = "() => document.querySelector('.palimpsest-chart')._fullLayout.xaxis.range[0] > 1"
LEFT_OUT = """() => document.querySelector(".palimpsest-chart")._fullData
  .some((trace) => trace.visible === "legendonly" && trace.uid !== "total")"""
REMEMBER = """() => {
  window.seen = [...document.querySelectorAll(".palimpsest-chart")]
    .map((node) => ({ node, svg: node.querySelector(".main-svg") }));
}"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve: Serve) -> str:
    return serve(Path(__file__).with_name("chart_app.py"))


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.complaints = []
    page.frames_received = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: page.frames_received.append(len(data))))
    page.goto(address)
    # Streamlit hides all of a page again while it fetches the code of another kind of element.
    page.get_by_text("line 59").wait_for()
    for place in (0, 1):
        page.locator(".palimpsest-chart").nth(place).locator(".nsewdrag").wait_for()
    yield page
    page.close()


LIBRARY_BYTES = """() => performance.getEntriesByType("resource")
  .find((entry) => entry.name.includes("/libraries/plotly")).transferSize"""


def refreshes(page: Any) -> int:
    return int(page.get_by_text("refreshes: ").inner_text().removeprefix("refreshes: "))


def wait_for_refreshes(page: Any, number: int) -> None:
    goal = refreshes(page) + number
    page.wait_for_function(
        "(goal) => [...document.querySelectorAll('[data-testid=stText]')].some((text) =>"
        " text.innerText.startsWith('refreshes: ') && Number(text.innerText.slice(11)) >= goal)",
        arg=goal,
        timeout=3 * PATIENCE,
    )


def start_zoom(page: Any) -> None:
    """Press the mouse and draw a box over the losses."""
    box = page.evaluate(AREA, 0)
    page.mouse.move(box["x"] + 100, box["y"] + 40)
    page.wait_for_timeout(300)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 200, steps=5)


def test_zoom_legend_and_scroll_survive_a_hundred_refreshes_on_the_same_node(page: Any) -> None:
    start_zoom(page)
    wait_for_refreshes(page, 3)  # a drag outlives refreshes too
    page.mouse.up()
    page.wait_for_function(ZOOMED)
    page.mouse.click(*page.evaluate(LEGEND))
    page.wait_for_function(LEFT_OUT)  # Plotly waits for a second click
    page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTo(0, 350)")
    page.evaluate(REMEMBER)
    before = page.evaluate(STATE)
    points = page.evaluate(POINTS)
    assert before[0]["x"][0] > 1
    assert before[0]["x"][1] < 300
    assert "legendonly" in before[0]["visible"].values()

    wait_for_refreshes(page, REFRESHES)

    after = page.evaluate(STATE)
    assert [chart["same"] for chart in after] == [True, True]
    assert (after[0]["x"], after[0]["y"]) == (before[0]["x"], before[0]["y"])
    assert before[0]["visible"].items() <= after[0]["visible"].items()  # a trace more: the curve is smoothed by now
    assert page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop") == 350
    assert page.evaluate(POINTS) > points
    assert page.complaints == []


def test_a_browser_too_slow_for_every_refresh_keeps_the_zoom(page: Any) -> None:
    start_zoom(page)
    page.mouse.up()
    page.wait_for_function(ZOOMED)
    page.evaluate(REMEMBER)
    before = page.evaluate(STATE)[0]
    assert before["x"][0] > 1
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 8})
    wait_for_refreshes(page, 15)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    after = page.evaluate(STATE)[0]
    assert (after["same"], after["x"], after["y"]) == (True, before["x"], before["y"])
    assert page.complaints == []


def test_a_page_that_is_opened_again_takes_the_library_from_the_browsers_cache(page: Any) -> None:
    assert page.evaluate(LIBRARY_BYTES) > 1_000_000
    page.reload()
    page.locator(".palimpsest-chart .nsewdrag").first.wait_for()
    assert page.evaluate(LIBRARY_BYTES) == 0
    wait_for_refreshes(page, 10)
    assert max(page.frames_received) < 100_000


def test_a_click_on_a_cell_reaches_python(page: Any) -> None:
    box = page.evaluate(AREA, 1)
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 1.5 / 4)
    page.get_by_text("clicked: [1, 2]").wait_for()


def test_what_is_left_out_leaves_the_chart_whatever_it_is_called(browser: Any, serve: Serve) -> None:
    page, complaints = browser.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(serve(Path(__file__).with_name("left_out_app.py")))
    for traces in (3, 1):
        page.wait_for_function(
            "(traces) => document.querySelectorAll('.palimpsest-chart .trace').length === traces", arg=traces
        )
        page.get_by_role("button", name="Leave out all but the first").click()
    page.close()
    assert complaints == []


def test_charts_have_an_alternative_text_that_is_kept_up_to_date(page: Any) -> None:
    chart = page.get_by_role("figure", name="Score matrix")
    assert "bread 2.000" in chart.get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_follow_the_theme_and_fit_a_narrow_screen(page: Any, scheme: str) -> None:
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
