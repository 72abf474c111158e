import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from engine.experiments.demo import demo_experiment
from engine.store import Store
from engine.store.schema import now, runs
from tests.fake_runs import experiment
from ui.server import session
from ui.start import newcomer, view, words

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    made = Store(tmp_path)
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching=None, trouble=""))
    yield made
    made.close()


def page() -> AppTest:
    return AppTest.from_file(APP, default_timeout=300).run()


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.info, *app.warning, *app.error))


def test_a_newcomer_sees_what_this_is_and_what_to_do_first() -> None:
    app = page()
    assert not app.exception
    assert app.title[0].value == "Palimpsest"
    assert app.button(key="start_demo").label == "Run the demo"
    assert [link.label for link in app.get("page_link")] == [f"**{title}**" for title, _ in words.STEPS.values()]
    assert "What you will see" in [each.value for each in app.header]


def test_the_demo_button_queues_every_strategy_and_opens_the_live_page(store: Store) -> None:
    app = page()
    app.button(key="start_demo").click().run()
    (experiment_id,) = store.experiments()["experiment_id"]
    assert app.query_params["experiment"] in (experiment_id, [experiment_id])
    queued = store.runs(experiment_id)
    assert queued["strategy"].tolist() == ["naive", "replay", "kl", "ewc", "joint"]
    assert set(queued["status"]) == {"queued"}


def test_what_goes_on_stands_first_with_its_progress(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, name="first"))
    store.add_experiment(experiment(tmp_path, name="second *bold*"))
    app = page()
    shown = texts(app)
    assert shown.index(r"second \*bold\*") < shown.index("first")
    assert "0 of 2 runs finished" in shown
    assert "Waiting" in shown
    assert "4 runs to go" in shown
    assert [button.label for button in app.button] == ["New experiment"]


def test_a_run_that_failed_is_not_counted_as_finished_while_others_wait(store: Store, tmp_path: Path) -> None:
    failed, _ = store.runs(store.add_experiment(experiment(tmp_path)))["run_id"]
    store.set_status(failed, "failed", "The loss is no longer a finite number.")
    assert "0 of 2 runs finished, 1 failed or cut short" in texts(page())


def test_a_failed_run_is_named_with_its_reason(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    for run_id in store.runs(experiment_id)["run_id"]:
        store.set_status(run_id, "failed", "The loss is no longer a finite number.")
    app = page()
    shown = texts(app)
    assert "Failed" in shown
    assert [link.label for link in app.get("page_link")].count(words.EDIT) == 2
    assert "Naive, seed 0: The loss is no longer a finite number\\." in shown.replace("\\,", ",")


def test_what_ended_since_the_last_visit_stands_apart_from_what_came_before(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, at in (("old", 1_000.0), ("fresh", 9_000.0)):
        ended = store.add_experiment(experiment(tmp_path, name=name))
        for run_id in store.runs(ended)["run_id"]:
            store.set_status(run_id, "finished")
        with store._writing() as connection:
            connection.execute(update(runs).where(runs.c.experiment_id == ended).values(finished_at=at))
    monkeypatch.setattr(store, "last_visit", lambda visitor: 5_000.0)
    app = page()
    assert [each.value for each in app.header][:3] == [
        "Running and waiting", "Ended since your last visit, 1\u00a0Jan,\u00a001:23", "Earlier",
    ]  # fmt: skip
    shown = texts(app)
    assert shown.index("fresh") < shown.index("old")
    assert "2 of 2 runs finished" in shown


def test_what_came_long_before_is_on_the_runs_page(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "SHOWN_EARLIER", 1)
    monkeypatch.setattr(store, "last_visit", lambda visitor: now() + 1)
    for number in range(3):
        for run_id in store.runs(store.add_experiment(experiment(tmp_path, name=f"number {number}")))["run_id"]:
            store.set_status(run_id, "finished")
    app = page()
    assert "2 more experiments on the Runs page" in [link.label for link in app.get("page_link")]
    assert "number 0" not in texts(app)


@pytest.mark.parametrize(
    ("status", "label"),
    [("finished", "See the demo's result"), ("queued", "Watch the demo"), ("failed", "Run the demo again")],
)
def test_the_demo_is_offered_once_and_then_the_way_to_it(store: Store, status: str, label: str) -> None:
    for run_id in store.runs(store.add_experiment(demo_experiment()))["run_id"]:
        store.set_status(run_id, status)
    app = page()
    next_task = [] if status == "queued" else ["Add a task"]
    assert [button.label for button in app.button] == [label, "New experiment", *next_task]
    assert [menu.label for menu in app.menu_button] == ["Manage"]


def test_the_picture_is_of_the_demo_as_it_is() -> None:
    kept = json.loads(newcomer.MEASURED.read_text(encoding="utf-8"))
    demo = demo_experiment()
    assert kept["tasks"] == [task.name for task in demo.tasks]
    assert {run["label"] for run in kept["runs"]} <= {run.label for run in demo.runs()}
    assert len(kept["matrix"]) == len(kept["runs"]) * len(kept["tasks"]) * (len(kept["tasks"]) + 1)
    titles = [note.text for note in newcomer._figure().layout.annotations if note.text]
    assert titles[:2] == ["Naive", "Replay λ 1"]


def test_a_second_server_says_that_it_only_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching="process 7 on this machine"))
    assert "only watches" in page().warning[0].value
