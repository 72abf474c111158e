from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from engine.store import Store
from tests.fake_runs import experiment
from ui.server import session

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
    assert "None yet" in app.info[0].value
    assert app.button(key="start_demo").label == "Run the demo"


def test_the_demo_button_queues_every_strategy_and_opens_the_live_page(store: Store) -> None:
    app = page()
    app.button(key="start_demo").click().run()
    (experiment_id,) = store.experiments()["experiment_id"]
    assert app.query_params["experiment"] in (experiment_id, [experiment_id])
    runs = store.runs(experiment_id)
    assert runs["strategy"].tolist() == ["naive", "replay", "kl", "ewc", "joint"]
    assert set(runs["status"]) == {"queued"}


def test_experiments_are_listed_newest_first_with_status_and_progress(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, name="first"))
    store.add_experiment(experiment(tmp_path, name="second *bold*"))
    shown = texts(page())
    assert shown.index(r"second \*bold\*") < shown.index("first")
    assert r"0 of 2 runs finished" in shown
    assert "Waiting" in shown


def test_a_failed_run_shows_in_the_list(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    for run_id in store.runs(experiment_id)["run_id"]:
        store.set_status(run_id, "failed", "The loss is no longer a finite number.")
    assert "Failed" in texts(page())


def test_a_second_server_says_that_it_only_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching="process 7 on this machine"))
    assert "only watches" in page().warning[0].value
