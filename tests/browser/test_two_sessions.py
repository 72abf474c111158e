"""What one browser has typed and not sent is nobody else's."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from benchmarks.dashboard.server import serve
from engine.tasks import Document, Task
from engine.tasks.library import Library

pytestmark = pytest.mark.browser


def test_no_session_sees_another_ones_unsaved_form(browser: Any, tmp_path: Path) -> None:
    for name in ("bread", "tea"):
        documents = tuple(Document(f"A note on {name}, number {number}.") for number in range(8))
        Library(tmp_path).add(Task(name, documents[:6], documents[6:]))
    with serve(tmp_path) as server:
        mine, other = (browser.new_context().new_page() for _ in range(2))
        mine.goto(f"{server.address}/experiment?library=all")
        name = mine.get_by_label("Name", exact=True)
        name.fill("mine alone")
        name.press("Enter")
        expect(mine.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
        other.goto(f"{server.address}/experiment?library=all")
        expect(other.get_by_label("Name", exact=True)).to_be_visible()
        expect(other.get_by_label("Name", exact=True)).not_to_have_value("mine alone")
        expect(mine.get_by_label("Name", exact=True)).to_have_value("mine alone")
