"""On a server that others reach, what one browser has entered is kept for it and is nobody else's."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.web.servers import app

pytestmark = pytest.mark.browser


def entered(page: Any) -> Any:
    return page.get_by_label("Name", exact=True)


def test_a_reload_and_a_second_tab_show_the_draft_and_another_browser_does_not(browser: Any, tmp_path: Path) -> None:
    for name in ("bread", "tea"):
        documents = tuple(Document(f"A note on {name}, number {number}.") for number in range(8))
        Library(tmp_path).add(Task(name, documents[:6], documents[6:]))
    settings = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_BROWSER_SERVER_ADDRESS": "lab.example"}
    with app(tmp_path, PALIMPSEST_OPEN_TO_ALL="1", **settings) as server:
        own, another = browser.new_context(), browser.new_context()
        mine = own.new_page()
        mine.goto(f"{server.address}/experiment?library=all")
        entered(mine).fill("mine alone")
        entered(mine).press("Enter")
        expect(mine.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
        other = another.new_page()
        other.goto(f"{server.address}/experiment?library=all")
        expect(entered(other)).to_be_visible()
        expect(entered(other)).not_to_have_value("mine alone")
        mine.reload()
        expect(entered(mine)).to_have_value("mine alone")
        second = own.new_page()
        second.goto(f"{server.address}/experiment")
        expect(entered(second)).to_have_value("mine alone")
