"""A chart that the browser fetches itself, in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve
from tests.browser.test_live_chart import ZOOMED, start_zoom

POINTS = """() => document.querySelector(".palimpsest-chart")?._fullData
  ?.find((trace) => trace.uid === "new")?.x.length ?? 0"""
MORE = f"(known) => ({POINTS})() >= known"
NODE = "() => document.querySelector('.palimpsest-chart .main-svg')"
RANGES = """() => { const { xaxis, yaxis } = document.querySelector(".palimpsest-chart")._fullLayout;
  return [xaxis.range, yaxis.range]; }"""
INK = """() => { const node = document.querySelector(".palimpsest-chart");
  return [node._fullLayout.font.color, getComputedStyle(node).getPropertyValue("--st-text-color").trim()]; }"""

pytestmark = pytest.mark.browser


def test_a_chart_grows_without_a_run_of_the_script_and_says_when_the_server_is_away(
    browser: Any, serve: Serve, tmp_path: Path
) -> None:
    trouble, two = tmp_path / "trouble", tmp_path / "two"
    page, complaints = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(serve(Path(__file__).with_name("polled_app.py"), POLLED_TROUBLE=str(trouble), POLLED_TWO=str(two)))
    page.wait_for_function(MORE, arg=35)
    start_zoom(page)
    page.mouse.up()
    page.wait_for_function(ZOOMED)
    page.locator(".palimpsest-chart").focus()
    before, svg = page.evaluate(RANGES), page.evaluate_handle(NODE)
    page.wait_for_function(MORE, arg=page.evaluate(POINTS) + 10)
    assert page.evaluate(RANGES) == before
    assert page.evaluate(f"(svg) => ({NODE})() === svg", svg)
    assert page.evaluate("() => document.activeElement.className.includes('palimpsest-chart')")
    assert page.get_by_text("script runs: 1").is_visible()
    values = page.evaluate(
        "() => [...document.querySelector('.palimpsest-chart')._fullData.find((trace) => trace.uid === 'new').y]"
    )
    assert values == pytest.approx([1 / step for step in range(1, len(values) + 1)])

    # what the route says is text
    page.get_by_text("<i>step</i>").wait_for()

    # the theme may change between two looks
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        f"() => {{ const [drawn, now] = ({INK})(); return drawn.toLowerCase() === now.toLowerCase(); }}"
    )

    trouble.write_text("")
    page.locator(".palimpsest-chart-trouble").get_by_text("The store is <b>away</b>.").wait_for()
    known = page.evaluate(POINTS)
    trouble.unlink()
    page.wait_for_function(MORE, arg=known + 3)
    page.wait_for_function("() => document.querySelector('.palimpsest-chart-trouble').textContent === ''")
    assert page.get_by_text("script runs: 1").is_visible()

    # and the script runs once the page is made of other parts
    two.write_text("")
    page.get_by_text("script runs: 2").wait_for()
    page.wait_for_timeout(1000)
    assert page.get_by_text("script runs: 2").is_visible()
    assert page.evaluate(RANGES) == before
    page.close()
    assert complaints == []
