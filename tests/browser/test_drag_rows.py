"""Rows that are dragged by their grips, in a real browser."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve

pytestmark = pytest.mark.browser


def drag(page: Any, name: str, to: str, past: bool) -> None:
    """Drag the row `name` by its grip to the upper or, where it goes `past` it, the lower edge of the row `to`."""
    grip = page.locator(f".st-key-row_{name} .palimpsest-grip").bounding_box()
    row = page.locator(f".st-key-row_{to}").bounding_box()
    page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    page.mouse.down()
    page.mouse.move(row["x"] + 30, row["y"] + row["height"] * (0.9 if past else 0.1), steps=4)
    assert page.locator(".palimpsest-drop-line").is_visible()
    page.mouse.up()


def test_a_row_goes_to_where_it_is_dropped_and_stays_where_a_drag_is_given_up(browser: Any, serve: Serve) -> None:
    page = browser.new_page()
    page.goto(serve(Path(__file__).with_name("drag_app.py")))
    page.get_by_text("in order: bread, tea, jam, milk").wait_for()
    page.locator(".palimpsest-drag-rows").wait_for(state="attached")
    page.wait_for_timeout(500)
    drag(page, "bread", "jam", past=True)
    page.get_by_text("in order: tea, jam, bread, milk").wait_for()
    page.wait_for_timeout(500)
    drag(page, "milk", "tea", past=False)
    page.get_by_text("in order: milk, tea, jam, bread").wait_for()
    grip = page.locator(".st-key-row_tea .palimpsest-grip").bounding_box()
    page.mouse.move(grip["x"] + 3, grip["y"] + 3)
    page.mouse.down()
    page.mouse.move(grip["x"] + 3, grip["y"] + 300, steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    page.wait_for_timeout(500)
    assert page.get_by_text("in order: milk, tea, jam, bread").is_visible()
    assert page.locator(".palimpsest-drop-line").count() == 0
    page.close()
