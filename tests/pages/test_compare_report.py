"""The offer of passages and answers for the report, in every state of the desk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.insight.requests import ReportRequest
from engine.store import Store
from tests.fake_desk import FakeDesk, Told, state
from tests.ui.report.forgetting import Forgetting, compared, computed, keep, trained
from ui.compare import words
from ui.report.told_runs import told_runs
from ui.server import entrance, session
from ui.server.access import Role, Visitor

PAGE = str(Path(__file__).parents[2] / "pages" / "compare.py")
FIND = "Find passages and answers for the report"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "experiment_link", lambda *_, **__: None)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    made = FakeDesk(lambda request: state("waiting", before=2))
    monkeypatch.setattr(session, "desk", lambda: made)
    return made


@pytest.fixture
def wanted(store: Store, tmp_path: Path) -> ReportRequest:
    """What the page would ask of two finished runs."""
    found = told_runs(store, compared(store, trained(store, tmp_path, tasks=("*bread*", "tea"))))
    assert found is not None
    assert found.request is not None
    return found.request


def show() -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=300)
    page.session_state["compare_section"] = words.DOWNLOADS
    page.run()
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def said(page: AppTest) -> str:
    parts = [*page.caption, *page.info, *page.error]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def progress(page: AppTest) -> Any:
    return page.get("progress")[0].proto


def test_nothing_is_asked_before_the_button_is_pressed(desk: FakeDesk, wanted: ReportRequest) -> None:
    page = show()
    assert FIND in labels(page)
    assert "what Naive and Replay λ 0.5 lost of *bread*, word by word" in said(page)
    assert desk.asked == []
    press(page, FIND)
    assert desk.asked == [wanted]
    assert FIND not in labels(page)
    assert "Waiting: 2 requests before yours." in said(page)
    assert "Stop" in labels(page)


def test_how_far_it_is_is_shown_and_it_can_be_stopped_and_tried_again(desk: FakeDesk, wanted: ReportRequest) -> None:
    desk.usual = lambda request: state("computing", told=Told("task 1 of 1: naive *reads* bread", 3, 4))
    page = show()
    press(page, FIND)
    assert progress(page).value == 75
    assert "naive \\*reads\\* bread" in progress(page).text
    press(page, "Stop")
    assert desk.stopped == [wanted]
    assert "Stopped." in said(page)
    press(page, "Try again")
    assert desk.asked == [wanted, wanted]


def test_what_another_browser_has_asked_is_followed(desk: FakeDesk, wanted: ReportRequest) -> None:
    desk.states[wanted] = state("computing", told=Told("task 1 of 1: reading the task"))
    page = show()
    assert "Stop" in labels(page)
    assert FIND not in labels(page)


def test_once_done_the_page_says_what_the_report_shows(desk: FakeDesk, wanted: ReportRequest) -> None:
    desk.usual = lambda request: state("done", result=[computed()])
    page = show()
    press(page, FIND)
    assert "The report shows the passages of *bread* that lost most" in said(page)


def test_what_is_kept_needs_no_desk(store: Store, desk: FakeDesk, wanted: ReportRequest) -> None:
    keep(store, wanted.tasks[0], computed())
    page = show()
    assert "The report shows the passages of *bread*" in said(page)
    assert FIND not in labels(page)
    assert desk.asked == []


def test_a_failure_is_said_in_words(desk: FakeDesk, wanted: ReportRequest) -> None:
    desk.usual = lambda request: state("failed", reason="The checkpoint of stage 1 is *gone*.")
    page = show()
    press(page, FIND)
    assert "The checkpoint of stage 1 is *gone*." in said(page)
    assert "Try again" in labels(page)


def test_who_may_only_see_can_t_ask(desk: FakeDesk, wanted: ReportRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("reader", Role.SEE))
    page = show()
    (button,) = (each for each in page.button if each.label == FIND)
    assert button.disabled
    assert desk.asked == []


def test_where_nothing_was_lost_or_nothing_is_finished_nothing_is_offered(store: Store, tmp_path: Path) -> None:
    trained(store, tmp_path, Forgetting({"naive": 0.0, "replay": 0.0}))
    assert FIND not in labels(show())
    store.add_experiment(store.experiment(store.experiments()["experiment_id"].iloc[0]))
    assert FIND not in labels(show())
