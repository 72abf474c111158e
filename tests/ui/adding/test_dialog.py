"""The dialog that adds a task: what it offers, what it refuses, and what it starts."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.housekeeping import Chosen, labels
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tasks.documents import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import FakeRun, experiment
from ui.adding import words
from ui.manage import words as manage
from ui.server import access, actions, entrance, session
from ui.server.words import ONLY_SEEING


def page(experiment_id: str) -> None:
    from ui.adding.offer import add_task_button

    add_task_button(experiment_id, "add")


def menu_page(experiment_id: str) -> None:
    from ui.adding.offer import experiment_menu

    experiment_menu(experiment_id, "menu")


def form(experiment_id: str, run_id: str | None) -> None:
    from ui.adding.dialog import add_task_form

    add_task_form(experiment_id, run_id)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with an experiment of two tasks whose runs seem to have ended."""
    folder = tmp_path / "data"
    run_experiment(experiment(tmp_path, training={"device": "cpu"}), folder, execute=FakeRun())
    made = Store(folder)
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "library", lambda: Library(folder))
    yield made
    made.close()


@pytest.fixture
def opened(store: Store) -> Callable[..., AppTest]:
    """The form of the experiment, or of one of its runs by number."""

    def open_dialog(number: int | None = None) -> AppTest:
        experiment_id = str(store.experiments()["experiment_id"].item())
        run_id = None if number is None else store.runs(experiment_id)["run_id"][number]
        return AppTest.from_function(form, args=(experiment_id, run_id), default_timeout=30).run()

    return open_dialog


def soup(folder: Path, name: str = "soup") -> None:
    documents = tuple(Document(f"Soup {n}: {n} carrots and a leek.") for n in range(20))
    Library(folder).add(Task(name, documents[:16], documents[16:]))


def test_without_a_further_task_a_file_is_asked_for(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert not app.exception
    assert words.NO_FILE in [caption.value for caption in app.caption]
    assert app.button(key="adding_start").disabled


def test_the_button_opens_it(store: Store) -> None:
    soup(store.folder)
    app = AppTest.from_function(page, args=(store.experiments()["experiment_id"].item(),), default_timeout=30).run()
    assert not app.selectbox
    app.button(key="add").click().run()
    assert app.selectbox(key="adding_task").value == "soup"


def test_a_page_that_is_drawn_again_does_not_close_it(store: Store) -> None:
    soup(store.folder)
    experiment_id = str(store.experiments()["experiment_id"].item())
    app = AppTest.from_function(page, args=(experiment_id,), default_timeout=30).run()
    app.button(key="add").click().run()
    assert app.run().selectbox(key="adding_task").value == "soup"
    store.set_status(store.runs(experiment_id)["run_id"].iloc[0], "queued")
    assert not app.run().selectbox, "it is offered no more"


def menu_of(experiment_id: str, taken: str | None, monkeypatch: pytest.MonkeyPatch) -> tuple[AppTest, list[str]]:
    """The menu with this entry taken, which tests of pages can't click, and the entries that it offered."""
    offered: list[str] = []

    def menu_button(label: str, options: Sequence[str], **how: Any) -> str | None:
        offered[:] = options
        return taken

    monkeypatch.setattr(st, "menu_button", menu_button)
    app = AppTest.from_function(menu_page, args=(experiment_id,), default_timeout=30).run()
    assert not app.exception
    return app, offered


def test_the_menu_offers_it_first_and_opens_the_same_dialog(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    soup(store.folder)
    experiment_id = str(store.experiments()["experiment_id"].item())
    app, offered = menu_of(experiment_id, words.ADD, monkeypatch)
    assert offered[0] == words.ADD
    assert manage.RENAME in offered
    assert app.selectbox(key="adding_task").value == "soup"


@pytest.mark.parametrize("ended", [True, False])
def test_only_an_experiment_that_has_ended_and_is_not_put_away_can_take_a_task(
    ended: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = str(store.experiments()["experiment_id"].item())
    if ended:
        labels.set_archived(store, Chosen((experiment_id,)), archived=True)
    else:
        store.set_status(store.runs(experiment_id)["run_id"].iloc[0], "paused")
    assert words.ADD not in menu_of(experiment_id, None, monkeypatch)[1]
    assert not AppTest.from_function(page, args=(experiment_id,), default_timeout=30).run().button


def test_a_reader_sees_it_and_can_not_press_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_visitor", lambda: access.Visitor("ray@example.org", access.Role.SEE))
    experiment_id = str(store.experiments()["experiment_id"].item())
    button = AppTest.from_function(page, args=(experiment_id,), default_timeout=30).run().button(key="add")
    assert button.disabled
    assert button.help == ONLY_SEEING


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What was continued, and as what."""
    found: list[tuple[str, Any]] = []

    def continue_experiment(experiment_id: str, described: Any) -> str:
        found.append((experiment_id, described))
        return "new"

    monkeypatch.setattr(actions, "continue_experiment", continue_experiment)
    monkeypatch.setattr(session, "go_to", lambda page, experiment_id: found.append((page, experiment_id)))
    return found


def test_the_newest_task_of_the_library_is_offered_and_all_runs_learn_it(
    opened: Callable[..., AppTest], store: Store, started: list[tuple[str, Any]]
) -> None:
    soup(store.folder)
    app = opened()
    assert app.selectbox(key="adding_task").value == "soup"
    said = [caption.value for caption in app.caption]
    assert words.documents(16, 4) in said
    assert words.trained(3, 2) in said
    app.button(key="adding_start").click().run()
    assert not app.exception
    (before, described), after = started
    assert before == store.experiments()["experiment_id"].item()
    assert (described.name, [task.name for task in described.tasks]) == ("kitchen + soup", ["bread", "tea", "soup"])
    assert [run.label for run in described.runs()] == ["naive", "replay (replay_weight=0.5)"]
    assert after == (session.LIVE, "new")


def test_one_run_alone_learns_the_task_under_a_name_that_was_typed(
    opened: Callable[..., AppTest], store: Store, started: list[tuple[str, Any]]
) -> None:
    soup(store.folder)
    app = opened(1)
    app.text_input(key="adding_name").input("soup at last").run()
    app.button(key="adding_start").click().run()
    described = started[0][1]
    assert described.name == "soup at last"
    assert [run.label for run in described.runs()] == ["replay (replay_weight=0.5)"]


def test_a_file_becomes_a_task_of_the_library_and_is_learnt(
    opened: Callable[..., AppTest], store: Store, started: list[tuple[str, Any]]
) -> None:
    app = opened()
    texts = "\n\n".join(f"Stew {n}: {n} potatoes." for n in range(20)).encode()
    app.file_uploader(key="adding_uploads").set_value([("my_stew.txt", texts, "text/plain")]).run()
    assert not app.exception
    assert words.documents(18, 2) in [caption.value for caption in app.caption]
    app.button(key="adding_start").click().run()
    assert [task.name for task in Library(store.folder).tasks()] == ["my stew"]
    assert [task.name for task in started[0][1].tasks] == ["bread", "tea", "my stew"]


@pytest.mark.parametrize(
    ("name", "data", "words_of_it"),
    [("tea.txt", b"One.\n\nTwo.\n\nThree.\n\nFour.", words.SAME_NAME), ("stew.txt", b"Only one.", "")],
)
def test_a_file_that_can_not_be_taken_as_it_is_says_why(
    name: str, data: bytes, words_of_it: str, opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ui.adding import dialog

    monkeypatch.setattr(dialog.st, "page_link", lambda page, **_: None)
    app = opened()
    app.file_uploader(key="adding_uploads").set_value([(name, data, "text/plain")]).run()
    assert not app.exception
    assert words_of_it in app.error[0].value
    assert app.button(key="adding_start").disabled


def test_an_experiment_that_can_not_be_continued_says_why(opened: Callable[..., AppTest], store: Store) -> None:
    soup(store.folder)
    shutil.rmtree(store.folder / "runs")
    app = opened()
    assert "holds no checkpoint that one of these runs could begin with" in app.error[0].value
    assert app.button(key="adding_start").disabled


def test_a_run_that_must_be_trained_from_the_start_is_named_before(
    opened: Callable[..., AppTest], store: Store
) -> None:
    soup(store.folder)
    shutil.rmtree(store.run_folder(store.runs()["run_id"][1]) / "stage-1")
    app = opened()
    assert "replay" in app.warning[0].value
    assert "is trained from the start" in app.warning[0].value
    assert not app.button(key="adding_start").disabled
