"""The list of which one row is chosen, in a real browser: by keyboard, filtered, and as a select on a phone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Serve

pytestmark = pytest.mark.browser
APP = Path(__file__).with_name("choices_app.py")


@pytest.fixture(scope="module")
def address(serve: Serve) -> str:
    return serve(APP)


def test_a_row_is_chosen_by_keyboard_and_the_list_keeps_focus_and_place(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    box = page.get_by_role("listbox", name="Runs")
    expect(box.get_by_role("option", selected=True)).to_contain_text("<b>run</b> 3")
    expect(box.get_by_role("option")).to_have_count(200)
    box.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.get_by_text("chosen run-198 in turn 1").wait_for()
    expect(box).to_be_focused()
    expect(box.get_by_role("option", selected=True)).to_be_in_viewport()
    assert box.get_attribute("aria-activedescendant") == box.get_by_role("option", selected=True).get_attribute("id")
    scrolled = box.evaluate("(node) => node.scrollTop")
    page.get_by_role("button", name="Again").click()
    page.wait_for_timeout(1000)
    assert box.evaluate("(node) => node.scrollTop") == scrolled > 0
    page.close()


def test_a_filter_leaves_the_rows_that_have_all_words_and_a_click_chooses(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.get_by_role("searchbox", name="Filter: Runs").fill("RUN 11 seed")
    shown = page.get_by_role("listbox").get_by_role("option")
    expect(shown).to_have_count(11)  # 11 and 110 to 119
    shown.nth(1).click()
    page.get_by_text("chosen run-110 in turn 1").wait_for()
    expect(page.get_by_role("searchbox")).to_have_value("RUN 11 seed")
    page.get_by_role("searchbox").fill("nobody")
    expect(page.get_by_text("No row has these words.")).to_be_visible()
    page.close()


def test_on_a_phone_the_list_is_a_select(browser: Any, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(address)
    select = page.get_by_label("Runs", exact=True).and_(page.locator("select"))
    expect(select).to_have_value("run-3")
    expect(page.get_by_role("listbox")).to_be_hidden()
    select.select_option("run-7")
    page.get_by_text("chosen run-7 in turn 1").wait_for()
    page.close()
