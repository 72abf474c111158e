"""A page that is asked for what has changed, in a real browser."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Serve
from tests.fake_runs import wait_until

pytestmark = pytest.mark.browser


def wait_for_beats(page: Any, number: int) -> None:
    """Ask again and again until the pulse has beaten so often."""

    def beaten() -> bool:
        page.get_by_role("button", name="Beats?").click()
        page.wait_for_timeout(200)
        (beats, *_) = page.get_by_text(re.compile(r"^\d+ beats$")).all_inner_texts() or ["0 beats"]
        return int(beats.split()[0]) >= number

    wait_until(beaten)


def test_a_part_is_drawn_once_for_every_change_however_often_the_pulse_beats(
    browser: Any, serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "said.txt"
    file.write_text("bread")
    page = browser.new_page()
    page.goto(serve(Path(__file__).with_name("pulse_app.py"), PULSE_FILE=str(file)))
    page.get_by_text("bread, drawn 1 times").wait_for()
    page.wait_for_timeout(3000)
    assert page.get_by_text("bread, drawn 1 times").is_visible()
    file.write_text("tea")
    page.get_by_text("tea, drawn 2 times").wait_for()
    wait_for_beats(page, 3)
    wait_for_beats(page, 10)
    page.close()
