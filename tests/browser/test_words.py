"""Users' words in a real browser: each is on the page as it was typed, and none is a link, a picture or a heading."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve
from tests.browser.markup_app import WORDS

pytestmark = pytest.mark.browser

MARKUP = "a, b, em, del, code, img, h1, h2, li, table, .katex, [data-testid=stIconMaterial], .stMarkdownColoredText"


def test_words_are_printed_as_they_were_typed_and_never_as_markup(browser: Any, serve: Serve) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.goto(serve(Path(__file__).with_name("markup_app.py")))
    page.get_by_text("the end").wait_for()
    for number, word in enumerate(WORDS):
        place = page.locator(f".st-key-word_{number}")
        place.locator("p").nth(3).wait_for()
        assert place.locator(MARKUP).count() == 0, word
        printed = place.locator("p").all_text_contents()
        assert {text.replace("\u2060", "") for text in printed} == {word}
    charts = page.locator(".palimpsest-chart")
    for number in range(charts.count()):
        charts.nth(number).scroll_into_view_if_needed()
        charts.nth(number).locator(".main-svg").first.wait_for()
    assert charts.count() >= 8
    assert page.locator(".palimpsest-chart svg a, .palimpsest-chart script").count() == 0
    drawn = page.locator(".palimpsest-chart svg text").all_text_contents()
    assert sum("<b>N" in text for text in drawn) >= 8
    page.close()
