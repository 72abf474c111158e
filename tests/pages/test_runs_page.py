"""The page of all experiments and runs: its table, what is done with ticked rows, the bin and the log."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.experiments.origin import Origin
from engine.housekeeping import Chosen, Thing, changes, labels, wastebin
from engine.housekeeping.folder_sizes import FolderSizes
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.adding import words as adding
from ui.manage import words as manage
from ui.runs import words
from ui.server import access, entrance, session
from ui.server.words import ONLY_SEEING

linked: list[str] = []
"""The labels of links to other pages, which a page that is tested by itself has not."""
APP = str(Path(__file__).parents[2] / "pages" / "runs.py")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))
    made = Store(tmp_path / "data")
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching=None, trouble=""))
    known = FolderSizes(made)
    monkeypatch.setattr(FolderSizes, "begin_look", lambda self, run_ids, growing: self.look(run_ids, growing))
    monkeypatch.setattr("ui.runs.data._folder_sizes", lambda folder: known)
    monkeypatch.setattr(session, "experiment_link", lambda page, own, label, *given, **how: linked.append(label))
    linked.clear()
    yield made
    made.close()


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> tuple[str, str]:
    """A finished experiment, and a newer one that waits."""
    first = store.add_experiment(experiment(tmp_path), owner="edith@example.org")
    for run_id in store.runs(first)["run_id"]:
        store.claim(run_id)
        drive(store, run_id, Control(), FakeRun())
    second = store.add_experiment(
        experiment(tmp_path, name="<b>pantry</b> $x$"), origin=Origin("duplicated", first, "kitchen")
    )
    labels.change_tags(store, Chosen((first,)), ["paper"])
    labels.set_notes(store, Chosen((second,)), "Looks odd.\n# no heading")
    return first, second


def page(view: str = words.EXPERIMENTS, ticked: tuple[str, ...] = (), **address: Any) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=300)
    app.query_params["runs_view"] = view
    for name, value in address.items():
        app.query_params[f"runs_{name}"] = value
    if ticked:
        app.session_state["runs_ticked"] = frozenset(ticked)
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def press(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def table(app: AppTest) -> Any:
    return app.dataframe[0].value


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_without_an_experiment_it_says_where_to_begin() -> None:
    app = page()
    assert app.title[0].value == "Runs"
    assert "No experiment yet" in app.info[0].value
    assert len(app.dataframe) == 0


def test_experiments_stand_with_what_they_kept_and_take_the_newest_first(filled: tuple[str, str]) -> None:
    app = page()
    shown = table(app)
    assert shown["Name"].tolist() == ["<b>pantry</b> $x$", "kitchen"]
    assert shown["Status"].tolist() == ["… waiting", "✓ finished"]
    assert shown["Runs"].tolist() == ["0 of 2", "2 of 2"]
    assert shown["Strategies"].tolist() == ["Naive, Replay λ 0.5"] * 2
    assert shown["Loss"].tolist()[1] == 2.5  # 3 nats of the first task, 2 of the last
    assert shown["Forgetting"].tolist()[1] == 1.0
    assert shown["MB"].tolist()[0] == 0.0 < shown["MB"].tolist()[1]
    assert shown["Owner"].tolist() == ["", "edith@example.org"]
    assert "Notes" not in shown
    assert "2 experiments ·" in texts(app)


def test_runs_have_a_row_each_with_the_tags_of_their_experiment(store: Store, filled: tuple[str, str]) -> None:
    run_id = store.runs(filled[0])["run_id"].iloc[0]
    labels.set_title(store, run_id, "the baseline")
    labels.change_tags(store, Chosen(runs=(run_id,)), ["keep"])
    shown = table(page(words.RUNS))
    assert shown["Name"].tolist() == ["Naive", "Replay λ 0.5", "the baseline", "Replay λ 0.5"]
    assert shown["Experiment"].tolist() == ["<b>pantry</b> $x$"] * 2 + ["kitchen"] * 2
    assert [list(tags) for tags in shown["Tags"]] == [[], [], ["keep", "paper"], ["paper"]]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ({"search": "REPLAY pantry"}, ["<b>pantry</b> $x$"]),
        ({"search": "odd"}, ["<b>pantry</b> $x$"]),
        ({"search": "paper"}, ["kitchen"]),
        ({"search": "edith"}, ["kitchen"]),
        ({"search": "tea bread"}, ["<b>pantry</b> $x$", "kitchen"]),
        ({"status": "waiting"}, ["<b>pantry</b> $x$"]),
        ({"tag": "paper"}, ["kitchen"]),
        ({"model": "tiny-gpt2"}, ["<b>pantry</b> $x$", "kitchen"]),
        ({"order": "Lowest loss first"}, ["kitchen", "<b>pantry</b> $x$"]),
        ({"order": "Largest first"}, ["kitchen", "<b>pantry</b> $x$"]),
        ({"order": "By name"}, ["<b>pantry</b> $x$", "kitchen"]),
    ],
)
def test_the_address_holds_what_is_searched_for(
    filled: tuple[str, str], address: dict[str, str], names: list[str]
) -> None:
    assert table(page(**address))["Name"].tolist() == names


def test_a_search_that_nothing_fits_can_be_cleared(filled: tuple[str, str]) -> None:
    app = page(search="nowhere", tag="paper")
    assert app.info[0].value == words.NOTHING_FITS
    assert len(table(press(app, "runs_show_all"))) == 2


def test_what_is_archived_is_shown_alone(store: Store, filled: tuple[str, str]) -> None:
    press(page(ticked=filled[:1]), f"runs_do_{manage.ARCHIVE}")
    assert table(page())["Name"].tolist() == ["<b>pantry</b> $x$"]
    app = page(archived="true", ticked=filled[:1])
    assert table(app)["Name"].tolist() == ["kitchen"]
    press(app, f"runs_do_{manage.UNARCHIVE}")
    assert len(table(page())) == 2


def test_columns_can_be_chosen(filled: tuple[str, str]) -> None:
    app = page()
    (pills,) = (each for each in app.button_group if each.label == words.COLUMNS_SHOWN)
    shown = table(checked(pills.set_value(["Notes", "Model"]).run()))
    assert shown.columns.tolist() == ["Name", "Model", "Notes"]


def test_many_are_tagged_at_once(store: Store, filled: tuple[str, str]) -> None:
    app = page(ticked=filled)
    assert "**2 chosen**" in texts(app)
    press(app, f"runs_do_{manage.TAGS}")
    assert "Some of them also have paper" in texts(app)
    app.multiselect(key="manage_tags_given").set_value([])
    next(button for button in app.button if button.label == manage.SAVE).click().run()
    assert [list(tags) for tags in table(app)["Tags"]] == [[], ["paper"]]
    assert [each.action for each in changes.history(store)] == ["changed the tags"] * 2


def test_actions_wait_for_rows_and_those_of_one_for_one(filled: tuple[str, str]) -> None:
    def enabled(app: AppTest) -> list[str]:
        return [b.label for b in app.button if (b.key or "").startswith("runs_do_") and not b.disabled]

    every = [manage.TAGS, manage.NOTES, manage.RENAME, manage.DUPLICATE, manage.ARCHIVE, manage.KEEP, manage.BIN]
    assert enabled(page()) == []
    assert enabled(page(ticked=filled[:1])) == every
    assert enabled(page(ticked=filled)) == [manage.TAGS, manage.NOTES, manage.ARCHIVE, manage.KEEP, manage.BIN]
    assert enabled(page(ticked=filled, search="pantry")) == every  # what is not shown is not acted upon


def test_all_and_none_tick_what_is_shown(filled: tuple[str, str]) -> None:
    app = press(page(search="kitchen"), "runs_all")
    assert "**1 chosen**" in texts(app)
    assert "chosen**" not in texts(press(app, "runs_none"))


def test_one_chosen_says_where_it_comes_from_and_from_which_data(store: Store, filled: tuple[str, str]) -> None:
    first, second = filled
    changes.record(store, "edith@example.org", "renamed to “kitchen”", [Thing("experiment", first, "galley")])
    said = texts(page(ticked=(second,)))
    assert "Duplicate of kitchen." in said
    assert "Looks odd.  \n# no heading" in said
    assert words.NO_FACTS in said
    said = texts(page(ticked=(first,)))
    assert words.FROM_NOTHING in said
    assert "bread: 18 documents, fingerprint same" in said
    assert "edith@\u2060example.org: renamed to “kitchen” (galley)" in said
    (run_id, *_) = store.runs(second)["run_id"]
    said = texts(page(words.RUNS, ticked=(run_id,)))
    assert "Naive, seed 0, of <b>pantry</b> $x$" in said
    assert "Duplicate of kitchen." in said


def test_moving_to_the_bin_and_back(store: Store, filled: tuple[str, str]) -> None:
    app = press(page(ticked=filled[:1]), f"runs_do_{manage.BIN}")
    assert "1 experiment with 2 runs leave every list" in texts(app)
    assert table(press(app, "manage_bin"))["Name"].tolist() == ["<b>pantry</b> $x$"]
    app = page(words.BIN)
    shown = table(app)
    assert shown[["What", "Name", "Runs"]].values.tolist() == [["experiment", "kitchen", 2]]
    assert (shown["Deleted on"] - shown["Moved here"]).dt.total_seconds().tolist() == [86_400]
    assert "1 entry in the bin. Emptying it frees" in texts(app)
    assert app.button(key="runs_restore").disabled
    wastebin.restore(store, Chosen(filled[:1]))
    assert words.BIN_EMPTY in texts(page(words.BIN))


def test_the_bin_is_emptied_once_that_is_confirmed(store: Store, filled: tuple[str, str]) -> None:
    run_ids = store.runs(filled[0])["run_id"].tolist()
    wastebin.put(store, Chosen(filled[:1]))
    app = press(page(words.BIN), "runs_empty")
    assert store.run_folder(run_ids[0]).exists()
    assert "1 entry will be deleted for good, which frees" in texts(app)
    app = press(app, "runs_empty_for_good")
    assert words.BIN_EMPTY in texts(app)
    assert not store.run_folder(run_ids[0]).exists()
    shown = table(page(words.LOG))
    assert shown[["Did", "What", "Name"]].values.tolist() == [["deleted for good", "experiment", "kitchen"]]
    assert "Who" not in shown  # nobody logs in


def test_the_log_is_empty_at_first_and_names_who_did_it(store: Store) -> None:
    assert words.LOG_EMPTY in texts(page(words.LOG))
    changes.record(store, "edith@example.org", "deleted", [Thing("task", "t1", "<b>notes</b>")])
    assert table(page(words.LOG))["Who"].tolist() == ["edith@example.org"]


def test_a_run_that_runs_stays_and_the_dialog_says_so(store: Store, filled: tuple[str, str]) -> None:
    store.claim_next()
    app = press(page(ticked=filled), f"runs_do_{manage.BIN}")
    app = press(app, "manage_bin")
    assert "Still running: naive (seed 0)" in texts(app)
    assert len(table(app)) == 2


@pytest.mark.parametrize("view", [words.EXPERIMENTS, words.BIN])
def test_a_reader_sees_everything_and_changes_nothing(
    store: Store, filled: tuple[str, str], monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    wastebin.put(store, Chosen(filled[:1]))
    monkeypatch.setattr(entrance, "_visitor", lambda: access.Visitor("ray@example.org", access.Role.SEE))
    app = page(view, ticked=filled[1:])
    assert len(table(app)) == 1
    own = ("runs_do_", "runs_restore", "runs_empty")
    refused = [button for button in app.button if (button.key or "").startswith(own)]
    assert len(refused) >= 2
    assert all(button.disabled and button.help == ONLY_SEEING for button in refused)


def test_comparing_runs_leaves_out_the_others_of_their_experiments(
    store: Store, filled: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = store.runs(filled[0])["run_id"]
    went: list[object] = []
    monkeypatch.setattr(st, "switch_page", lambda place, query_params: went.append((place, query_params)))
    app = press(page(words.RUNS, ticked=(first,)), "runs_compare")
    assert went == [(session.COMPARE, {"experiment": [filled[0]]})]
    assert app.session_state["compare_left_out"] == frozenset([other])


def test_one_chosen_thing_that_has_ended_can_take_a_task(store: Store, filled: tuple[str, str]) -> None:
    ended, waits = filled
    run_id = store.runs(ended)["run_id"].iloc[1]
    app = press(page(words.RUNS, ticked=(run_id,)), f"runs_add_task_{run_id}")
    assert app.selectbox(key="adding_run").value == "replay (replay_weight=0.5), seed 0"
    assert [each.label for each in page(ticked=(ended,)).button].count(adding.ADD) == 1
    assert [each.label for each in page(ticked=(waits,)).button].count(adding.ADD) == 0
