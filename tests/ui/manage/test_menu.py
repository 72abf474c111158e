"""The menu of one experiment, from whatever page it stands on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.housekeeping import Chosen, changes, labels, wastebin
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.manage import words
from ui.server import access, entrance, session
from ui.server.words import ONLY_SEEING


def script() -> None:
    import streamlit as st

    from ui.manage.menu import manage_menu
    from ui.server import session

    experiments = session.store().experiments()
    st.title(experiments["name"].iloc[0] if len(experiments) else "none")
    if len(experiments):
        manage_menu(experiments["experiment_id"].iloc[0], "test_menu")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    made.add_experiment(experiment(tmp_path))
    monkeypatch.setattr(session, "store", lambda: made)
    yield made
    made.close()


def chosen(option: str) -> AppTest:
    """The script with this option of the menu taken, which tests of pages can't click."""
    app = AppTest.from_function(script, default_timeout=60)
    app.session_state["taken"] = option
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "menu_button", lambda *given, **how: st.session_state.pop("taken", None))
        app.run()
    assert not app.exception
    return app


def save(app: AppTest) -> AppTest:
    next(button for button in app.button if button.label == words.SAVE).click().run()
    assert not app.exception
    return app


def test_a_new_name_is_on_the_page_at_once(store: Store) -> None:
    app = chosen(words.RENAME)
    app.text_input(key="manage_name").input("larder")
    assert save(app).title[0].value == "larder"
    assert [each.action for each in changes.history(store)] == ["renamed to “larder”"]


def test_an_empty_name_is_refused_in_the_dialog(store: Store) -> None:
    app = chosen(words.RENAME)
    app.text_input(key="manage_name").input(" ")
    assert "needs a name" in save(app).error[0].value


def test_tags_and_notes_are_kept(store: Store) -> None:
    (experiment_id,) = store.experiments()["experiment_id"]
    labels.change_tags(store, Chosen((experiment_id,)), ["old", "kept"])
    app = chosen(words.TAGS)
    app.multiselect(key="manage_tags_given").unselect("old")
    save(app)
    app = chosen(words.NOTES)
    app.text_area(key="manage_notes_written").input("Looks odd.")
    save(app)
    (said,) = labels.described(store, Chosen((experiment_id,)))
    assert (said.tags, said.notes) == (("kept",), "Looks odd.")


def test_archiving_needs_no_dialog(store: Store) -> None:
    chosen(words.ARCHIVE)
    assert store.experiments()["archived"].tolist() == [True]
    chosen(words.UNARCHIVE)
    assert store.experiments()["archived"].tolist() == [False]


def test_the_bin_says_what_goes_and_the_page_copes(store: Store) -> None:
    app = chosen(words.BIN)
    assert "1 experiment with 2 runs leave every list" in app.markdown[0].value
    app.button(key="manage_bin").click().run()
    assert app.title[0].value == "none"
    assert [each.thing.name for each in wastebin.contents(store)] == ["kitchen"]


def test_the_bin_refuses_what_is_running_in_the_dialog(store: Store) -> None:
    app = chosen(words.BIN)
    store.claim_next()
    app.button(key="manage_bin").click().run()
    assert "Still running" in app.error[0].value
    assert wastebin.contents(store) == []


def test_a_reader_sees_the_menu_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "_visitor", lambda: access.Visitor("ray@example.org", access.Role.SEE))
    app = AppTest.from_function(script, default_timeout=60).run()
    menu = app.menu_button(key="test_menu")
    assert menu.disabled
    assert menu.help == ONLY_SEEING


def test_fewer_checkpoints_are_kept_of_runs_that_have_finished(store: Store) -> None:
    app = chosen(words.KEEP)
    assert app.button(key="manage_keep").disabled  # none has finished
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), FakeRun())
    app = chosen(words.KEEP)
    assert "frees about" in " ".join(each.value for each in app.markdown)
    app.button(key="manage_keep").click().run()
    assert not app.exception
    there = store.stages(run_id)["checkpoint"].notna().tolist()
    assert there == [False, True]
    assert store.stages(run_id)["finished"].all()
