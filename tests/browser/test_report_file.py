"""The report, opened from the disk by a real browser: readable on a phone and on a screen, in light and in dark."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from figures.report import Section, report_html
from tests.browser.test_no_network import other_servers
from tests.fake_runs import FakeRun, experiment
from ui.compare.compared_runs import compare, read
from ui.compare.report import report

pytestmark = pytest.mark.browser

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def file(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of several strategies with settings of long names."""
    monkeypatch.setenv("PALIMPSEST_DATA", str(store.folder))
    strategies = ["naive", "joint", {"replay+ewc": {"replay_weight": 0.123456, "ewc_lambda": [1.0, 123456.0]}}]
    name = f"An experiment with {'a' * 60} in its name"
    experiment_id = store.add_experiment(experiment(tmp_path, strategies=strategies, name=name))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    every = read(store, [experiment_id], "bits_per_byte")
    path = tmp_path / "report.html"
    path.write_text(report(store, compare(every, list(every.runs["run_id"]))), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme", "paper"), [(390, "light", 255), (1440, "dark", 20)])
def test_a_report_fits_the_screen_follows_its_scheme_and_asks_nothing_of_the_network(
    browser: Any, file: Path, width: int, scheme: str, paper: int
) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    with other_servers() as (proxy, asked):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, proxy={"server": proxy}
        )
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        charts = page.locator(".chart")
        assert charts.count() == 9
        for number in range(charts.count()):
            charts.nth(number).locator(".main-svg").first.wait_for()
        assert page.evaluate(OVERFLOW) <= 0
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert background.startswith(f"rgb({paper}, ")
        ink = page.evaluate("() => document.querySelector('.chart')._fullLayout.font.color")
        assert ink == page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()")
        context.close()
    assert requests == [file.as_uri()]
    assert asked == []
    assert complaints == []


def test_a_wide_table_scrolls_inside_itself(browser: Any, tmp_path: Path) -> None:
    table = pd.DataFrame([{f"A column with a long name {n}": "value " * 5 for n in range(12)}])
    path = tmp_path / "report.html"
    path.write_text(report_html("t", [], [Section("wide", table=table, code="x" * 500)]), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(path.as_uri())
    assert page.evaluate(OVERFLOW) <= 0
    assert page.evaluate("() => { const t = document.querySelector('.table'); return t.scrollWidth > t.clientWidth; }")
    page.close()
