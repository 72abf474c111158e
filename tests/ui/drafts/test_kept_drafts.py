"""The draft of the Experiment page over reloads, tabs, restarts and starts: kept whole, and each tab told of others."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.common.errors import StoreUnavailableError
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import experiment
from tests.pages.test_experiment_page import APP, PAGE, field, started
from tests.timed_store import timed_store
from ui.drafts.content import content_of
from ui.outlook import outlook
from ui.server import entrance


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name in ("bread", "tea"):
        train = tuple(Document(f"Note {n} about {name}.") for n in range(8))
        Library(tmp_path).add(Task(name, train, (Document(f"Held out about {name}."),)))
    yield from timed_store(tmp_path, monkeypatch)


def tab(**query: str) -> AppTest:
    """The page in another tab, or after a reload."""
    app = AppTest.from_file(APP, default_timeout=300).run()
    app.query_params |= query
    app.switch_page(PAGE).run()
    assert not app.exception
    return app


def set_seeds(app: AppTest, seeds: str) -> None:
    field(app.text_input, "seeds").set_value(seeds).run()
    assert not app.exception


def seeds(app: AppTest) -> str:
    return str(field(app.text_input, "seeds").value)


def name(app: AppTest) -> Any:
    return field(app.text_input, "_name")


def told(app: AppTest) -> str:
    return " ".join(each.value.replace("\\", "") for each in (*app.info, *app.warning))


def kept(store: Store) -> dict[str, Any] | None:
    found = store.draft("", "experiment")
    return None if found is None else found.content


def test_nothing_is_kept_before_something_is_entered_and_then_a_reload_shows_it(store: Store) -> None:
    app = tab()
    assert kept(store) is None
    set_seeds(app, "3, 4")
    name(app).set_value("kitchen").run()
    assert told(app) == "", "its own changes are no news to a tab"
    reloaded = tab()
    assert (seeds(reloaded), name(reloaded).value) == ("3, 4", "kitchen")
    assert told(reloaded) == ""


def test_a_tab_that_is_behind_is_told_and_takes_the_newer_one_over_whole(store: Store) -> None:
    first = tab()
    set_seeds(first, "1")
    second = tab()
    name(second).set_value("of the second").run()
    first.run()
    assert "was changed in another tab or browser" in told(first)
    assert (seeds(first), name(first).value) == ("1", "")
    set_seeds(second, "2")
    first.run()
    first.button(key="experiment_draft_aside").click().run()
    assert (seeds(first), name(first).value) == ("2", "of the second")
    assert told(first) == ""
    assert "was changed" not in told(first.run())


def test_the_last_change_wins_whole_and_what_it_replaced_is_offered(store: Store) -> None:
    first, second = tab(), tab()
    set_seeds(first, "1")
    name(second).set_value("of the second").run()
    assert "has taken its place" in told(second)
    content = kept(store) or {}
    assert (content["seeds"], content["name"]) == ("0", "of the second")
    second.button(key="experiment_draft_aside").click().run()
    content = kept(store) or {}
    assert (seeds(second), name(second).value) == ("1", "")
    set_seeds(second, "1, 2")
    content = kept(store) or {}
    assert (content["seeds"], content["name"]) == ("1, 2", "")


def test_the_same_change_in_two_tabs_is_no_news(store: Store) -> None:
    first, second = tab(), tab()
    set_seeds(first, "5")
    set_seeds(second, "5")
    assert told(second) == ""
    assert told(first.run()) == ""


def test_a_started_experiment_is_no_draft_any_more(store: Store) -> None:
    app = tab()
    set_seeds(app, "7")
    started(app)
    assert len(store.experiments()) == 1
    assert kept(store) is None
    assert seeds(tab()) == "0"
    assert seeds(app.switch_page(PAGE).run()) == "0"


def test_what_is_cleared_can_be_brought_back(store: Store) -> None:
    app = tab()
    set_seeds(app, "8")
    app.button(key="experiment_clear").click().run()
    assert (seeds(app), kept(store)) == ("0", None)
    app.button(key="experiment_draft_aside").click().run()
    assert seeds(app) == "8"
    assert (kept(store) or {})["seeds"] == "8"


def test_a_copy_of_an_experiment_goes_on_after_a_reload_and_what_it_replaced_can_be_brought_back(
    store: Store, tmp_path: Path
) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path, seeds=[5], name="copied"))
    set_seeds(tab(), "1, 2")
    app = tab(experiment=experiment_id)
    assert (seeds(app), name(app).value) == ("5", "copied")
    assert "began as a copy" in told(app)
    set_seeds(app, "6")
    assert seeds(tab(experiment=experiment_id)) == "6"
    app.button(key="experiment_draft_aside").click().run()
    assert seeds(app) == "1, 2"


def test_a_part_that_can_t_be_read_any_more_is_named_and_a_task_that_was_deleted_too(store: Store) -> None:
    set_seeds(tab(), "1, 2")
    content = kept(store) or {}
    store.keep_draft("", "experiment", content | {"training": {"gone": 1}, "task_names": ["tea", "milk"]})
    app = tab()
    assert "can't be read any more and is as in a new one: training settings" in told(app)
    assert "No longer in the library, so left out: milk" in told(app)
    assert seeds(app) == "1, 2"
    assert app.multiselect[0].value == ["tea"]


def test_who_may_change_nothing_keeps_nothing_and_the_form_works(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "may_change", lambda: False)
    app = tab()
    set_seeds(app, "9")
    assert (seeds(app.run()), kept(store)) == ("9", None)


def test_a_store_that_can_t_be_written_is_said_and_costs_nothing_that_was_entered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> float:
        raise StoreUnavailableError("the disk is full; free some space.")

    app = tab()
    monkeypatch.setattr(store, "keep_draft", full)
    set_seeds(app, "9")
    assert "What is entered here is not kept: the disk is full" in told(app)
    assert seeds(app) == "9"


def test_a_change_is_kept_while_the_estimate_is_still_worked_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 0.0)
    app = tab()
    set_seeds(app, "2")
    assert (kept(store) or {})["seeds"] == "2"
    while any(thread.name == "outlook" for thread in threading.enumerate()):
        time.sleep(0.05)
    app.run()
    assert content_of(app.session_state["experiment_draft"].draft)["seeds"] == "2"
