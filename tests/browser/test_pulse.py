"""A page that is asked for what has changed, in a real browser."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve

pytestmark = pytest.mark.browser


def beats(page: Any) -> int:
    page.get_by_role("button", name="Beats?").click()
    page.wait_for_timeout(400)
    return int(page.get_by_text(re.compile(r"^\d+ beats$")).inner_text().split()[0])


def test_a_part_is_drawn_once_for_every_change_however_often_the_pulse_beats(
    browser: Any, serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "said.txt"
    file.write_text("bread")
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(serve(Path(__file__).with_name("pulse_app.py"), PULSE_FILE=str(file)))
    page.get_by_text("bread, drawn 1 times").wait_for()
    page.wait_for_timeout(3000)
    assert page.get_by_text("bread, drawn 1 times").is_visible()
    file.write_text("tea")
    page.get_by_text("tea, drawn 2 times").wait_for()
    first = beats(page)
    assert first >= 3
    page.wait_for_timeout(2000)
    assert beats(page) > first + 3
    page.close()
