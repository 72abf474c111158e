"""Names that look like markup, through every page: what Streamlit reads as Markdown holds them only with escapes."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine import events
from engine.experiments.origin import Origin
from engine.housekeeping import Chosen, changes, labels, wastebin
from engine.store import Store
from engine.strategies import registry
from engine.tasks import Document, Task
from engine.tasks.documents import TaskReading
from engine.tasks.library import Library
from tests.fake_runs import FakeRun, experiment
from ui.server import session, warm_up
from ui.tasks import preview
from ui.widgets.text import plain

APP = str(Path(__file__).parents[2] / "app.py")
NASTY = "*x* <b> [l](https://evil.example) :smile: $y$ www.evil.example a@evil.example"
LEAKS = re.compile(r"(?<!\\)[*<$]\s?[xby]\b|https?://evil|www\.evil|a@evil|(?<!\\):smile:|\]\(")
OUR_LINK = re.compile(
    "|".join([r"\]\(glossary#[a-z0-9-]+\)", *(re.escape(f"]({each.source[1]})") for each in registry().values())])
)
FOREIGN_TAG = re.compile(r"<(?!/?(?:p|div|span|style|table|thead|tbody|tr|th|td|dl|dt|dd)[\s>])")
LITERAL = {"code", "arrow_data_frame", "text", "json"}
"""Elements that print every character as it is."""
READ_AS_MARKDOWN = ("body", "label", "help", "text", "title", "delta")


def messages(node: Any) -> Iterator[tuple[str, str]]:
    """Kind and text of all that the page gives Streamlit to read as Markdown."""
    for child in getattr(node, "children", {}).values():
        yield from messages(child)
    proto = getattr(node, "proto", None)
    if proto is None or node.type in LITERAL:
        return
    if node.type == "html":
        assert not FOREIGN_TAG.search(proto.body)  # all else that it holds is printed as it is
        return
    for name in READ_AS_MARKDOWN:
        value = getattr(proto, name, "")
        if isinstance(value, str) and value:
            yield node.type, value


def check(page: AppTest) -> int:
    """No name stands there as markup; how many places hold one."""
    assert not page.exception
    found = list(messages(page._tree))
    assert [(kind, text) for kind, text in found if LEAKS.search(OUR_LINK.sub("", text))] == []
    return sum(plain("<b> [l]") in text for _, text in found)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    made = Store(tmp_path)
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching=None, trouble=f"Trouble with {NASTY}"))
    monkeypatch.setattr(warm_up, "begin", lambda: None)
    monkeypatch.setattr(preview, "_profile_or_error", lambda task, model: f"There is no tokenizer {NASTY}")
    library = Library(tmp_path)
    for number in range(2):
        documents = tuple(Document(f"{NASTY} {n}", f"{NASTY}?") for n in range(3))
        reading = TaskReading("pairs", (NASTY,), (NASTY,), (NASTY,))
        library.add(Task(f"{number} {NASTY}", documents, (Document("held out", "?"),), reading), [NASTY])
    yield made
    made.close()


def run_them(store: Store, folder: Path) -> str:
    """An experiment of one finished and one failed run, with nasty names and reasons."""
    tasks = [task.spec().model_dump() for task in Library(folder).tasks()]
    experiment_id = store.add_experiment(experiment(folder, name=NASTY, tasks=tasks, model=f"/{NASTY}"))
    while (run_id := store.claim_next()) is not None:
        _, spec = store.run_spec(run_id)
        configured = store.experiment(experiment_id)
        recorded = FakeRun()(configured, spec, store.run_folder(run_id), SimpleNamespace(check=lambda: None), 0)
        store.record(run_id, events.Phase(NASTY), *recorded)
        store.set_status(run_id, "finished" if spec.strategy == "naive" else "failed", f"Because of {NASTY}")
    return experiment_id


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=300).run()
    app.query_params |= query
    return app.switch_page(f"pages/{page}.py").run()


def test_the_start_and_compare_pages_show_names_as_they_are(store: Store, tmp_path: Path) -> None:
    experiment_id = run_them(store, tmp_path)
    assert check(opened("start")) >= 2
    assert check(opened("compare", experiment=experiment_id)) >= 1
    assert check(opened("compare", experiment=NASTY)) >= 1


def test_the_live_page_shows_names_and_reasons_as_they_are(store: Store, tmp_path: Path) -> None:
    experiment_id = run_them(store, tmp_path)
    app = opened("live", experiment=experiment_id)
    assert check(app) >= 1
    failed = store.runs(experiment_id).query("status == 'failed'")["run_id"].iloc[0]
    app.session_state[f"live_chosen_{experiment_id}"] = failed
    for part in ("details", "queue", "log"):
        app.session_state[f"live_{part}_fold"] = True
    assert check(app.run()) >= 2
    assert NASTY.split()[0] in app.error[0].value.replace("\\", "")


def test_the_runs_page_shows_names_tags_and_notes_as_they_are(store: Store, tmp_path: Path) -> None:
    experiment_id = run_them(store, tmp_path)
    origin = Origin("duplicated", experiment_id, f"once {NASTY}", folder=NASTY)
    other = store.add_experiment(experiment(tmp_path, name=f"other {NASTY}"), origin=origin)
    chosen = Chosen((other,))
    labels.change_tags(store, chosen, ["*x* <b> [l](b) :smile: $y$"])
    labels.set_notes(store, chosen, f"{NASTY}\n# {NASTY}")
    changes.record(store, NASTY, f"renamed to “{NASTY}”", labels.named(store, chosen))

    def ticked(row: str, button: str = "") -> AppTest:
        app = AppTest.from_file(APP, default_timeout=300)
        app.session_state["runs_ticked"] = frozenset([row])
        app = app.run().switch_page("pages/runs.py").run()
        return app.button(key=f"runs_do_{button}").click().run() if button else app

    assert check(ticked(other)) >= 5
    assert check(ticked(experiment_id)) >= 2  # the other one comes from it
    for button in ("Rename", "Tags", "Notes", "Move to bin"):
        assert check(ticked(other, button)) >= 5
    wastebin.put(store, chosen)
    assert check(opened("runs", runs_view="Bin")) == 0
    assert check(opened("runs", runs_view="Log")) == 0  # tables print every character as it is


def test_the_understand_page_shows_names_and_texts_as_they_are(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "desk", lambda: SimpleNamespace(look=lambda request: failed, ask=lambda request: None))
    failed = SimpleNamespace(status="failed", told=None, before=0, reason=f"Because of {NASTY}")
    experiment_id = run_them(store, tmp_path)
    app = opened("understand", experiment=experiment_id)
    assert check(app) >= 1
    app.text_area[0].set_value(NASTY)
    next(button for button in app.button if button.label == "Ask").click().run()
    assert check(app) >= 2
    app.text_input[0].set_value(NASTY)
    next(button for button in app.button if button.label == "Keep as a set").click().run()
    assert check(app) >= 3
    assert check(opened("understand", experiment=experiment_id, **{"from": "kept"})) >= 2
    assert check(opened("understand", experiment=experiment_id, view="passages")) >= 2


def test_the_tasks_page_shows_names_notes_and_documents_as_they_are(store: Store) -> None:
    app = opened("tasks")
    assert check(app) >= 4
    preview = next(button for button in app.button if button.label == "Preview")
    assert check(preview.click().run()) >= 6
    files = [(f"{NASTY}.csv", b"a,b\n1,2,3\n", ""), (f"{NASTY}.json", f'[{{"{NASTY}": 1, "b": 2}}]'.encode(), "")]
    app.file_uploader[0].set_value(files).run()
    assert check(app) >= 7


def test_the_experiment_page_shows_names_as_they_are(store: Store, tmp_path: Path) -> None:
    experiment_id = run_them(store, tmp_path)
    for task in Library(tmp_path).tasks():
        Library(tmp_path).delete(task.task_id)
    app = opened("experiment", experiment=experiment_id)
    check(app)
    for part in ("task_settings", "also_scored", "resources", "as_file", "more_strategies", "card1_settings"):
        app.session_state[f"experiment_2_{part}"] = True  # the second draft of this visit: the first was a new one
    assert check(app.run()) >= 2
