"""The title of a tab that follows a queue, in a real browser."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve

pytestmark = pytest.mark.browser


def wait_for_title(page: Any, title: str) -> None:
    page.wait_for_function("title => document.title === title", arg=title)


def test_the_tab_says_what_has_ended_by_itself_until_the_page_is_touched(
    browser: Any, serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "states.json"

    def say(**states: str) -> None:
        file.with_suffix(".new").write_text(json.dumps(states))
        file.with_suffix(".new").replace(file)

    say(a="running", b="queued", old="finished")
    page = browser.new_page()
    page.goto(serve(Path(__file__).with_name("tab_app.py"), STATES_FILE=str(file)))
    page.get_by_text("A page", exact=True).wait_for()
    page.locator(".palimpsest-tab-title").wait_for(state="attached")
    wait_for_title(page, "Live · Palimpsest")
    say(a="finished", b="running", old="finished")
    wait_for_title(page, "✓ 1 of 2 runs ended · Palimpsest")
    say(a="finished", b="failed", old="finished")
    wait_for_title(page, "✕ 2 of 2 runs ended, 1 failed · Palimpsest")
    page.get_by_role("button", name="Another run of the page").click()
    wait_for_title(page, "Live · Palimpsest")
    page.close()
