"""Every page in the states that a log-in brings: refused, logged out, not on the list, reading only, changing."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import experiment
from tests.ui.server.test_access import claims, secrets
from ui.server import entrance, session
from ui.server.navigation import COMPARE, EXPERIMENT, GLOSSARY, LIVE, RUNS, START, TASKS, UNDERSTAND
from ui.server.words import ONLY_SEEING

ROOT = Path(__file__).parents[2]
PAGES = (START, TASKS, EXPERIMENT, RUNS, LIVE, COMPARE, UNDERSTAND, GLOSSARY)
# Of the session or of what is shown alone; they change nothing that the server has.
HARMLESS = (
    "Log out",
    "Download",
    "Compare",
    "All",
    "Finished",
    "Comparable",
    "Clear the form",
    "Add a variant",
    "Save as YAML",
    "Preview",
    "Another five",
    "New experiment",
    "Watch the demo",
    "See the demo's result",
)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    made = Store(tmp_path)
    made.add_experiment(experiment(tmp_path, name="unpublished"))
    for name in ("notes", "letters"):
        texts = tuple(Document(f"{name} {number}") for number in range(4))
        Library(tmp_path).add(Task(name, texts[:3], texts[3:]))
    monkeypatch.setattr(session, "_store", lambda folder: made)
    runner = SimpleNamespace(watching=None, trouble=None)
    monkeypatch.setattr("engine.running.queue.get_runner", lambda folder: runner)
    yield made
    made.close()


def opened(page: str = START, user: dict[str, object] | None = None, log_in: bool = True) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    if log_in:
        app.secrets.update(secrets())
    app.user = user or {}
    app.run()
    if page != START:
        app.switch_page(page).run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    kinds = (app.title, app.markdown, app.caption, app.error, app.info)
    return unescaped("\n".join(str(element.value) for kind in kinds for element in kind))


def unescaped(text: str) -> str:
    return text.replace("\\", "").replace("\u2060", "")


def alone(page: str, user: dict[str, object] | None = None, log_in: bool = True) -> AppTest:
    """The page's file without app.py, as Streamlit runs it on a server that has just started."""
    app = AppTest.from_file(str(ROOT / page), default_timeout=300)
    if log_in:
        app.secrets.update(secrets())
    app.user = user or {}
    return app.run()


@pytest.mark.parametrize("page", PAGES)
def test_a_server_that_nothing_guards_shows_one_sentence_and_no_page(
    monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.delenv("PALIMPSEST_OPEN_TO_ALL", raising=False)
    for app in (opened(page, log_in=False), alone(page, log_in=False)):
        assert "nothing says who may use it" in app.error[0].value
        assert "unpublished" not in shown(app)
        assert len(app.button) == 0


@pytest.mark.parametrize("page", PAGES)
def test_without_a_log_in_only_the_way_to_it_is_shown(page: str) -> None:
    for app in (opened(page), alone(page)):
        assert [button.label for button in app.button] == ["Log in"]
        assert "unpublished" not in shown(app)


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_on_the_list_is_told_so_and_may_log_out(page: str) -> None:
    for app in (opened(page, claims("sam@example.org")), alone(page, claims("sam@example.org"))):
        assert "sam@example.org is not on this server's list" in unescaped(app.error[0].value)
        assert [button.label for button in app.button] == ["Log out"]
        assert "unpublished" not in shown(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_reader_sees_the_page_with_every_control_that_changes_something_disabled(page: str) -> None:
    app = opened(page, claims("ray@example.org"))
    changing = [b for b in (*app.button, *app.file_uploader) if b.label and not b.label.startswith(HARMLESS)]
    assert changing or page in (COMPARE, START, GLOSSARY)
    assert [b.label for b in changing if not b.disabled] == []
    assert {b.help for b in changing} <= {ONLY_SEEING}


@pytest.mark.parametrize(("who", "words"), [("ray", "may see, not change"), ("edith", "")])
def test_the_sidebar_says_as_whom_one_is_here_and_leads_out(who: str, words: str) -> None:
    app = opened(user=claims(f"{who}@example.org"))
    written = unescaped(app.sidebar.caption[0].value)
    assert written.startswith(f"{who}@example.org")
    assert words in written
    assert [button.label for button in app.sidebar.button] == ["Log out"]


@pytest.mark.parametrize("page", PAGES)
def test_an_editor_has_the_same_controls_enabled(page: str) -> None:
    app = opened(page, claims("edith@example.org"))
    changing = [b for b in (*app.button, *app.file_uploader) if b.label and not b.label.startswith(HARMLESS)]
    assert [b.help for b in changing if b.help == ONLY_SEEING] == []


def test_the_operator_s_word_opens_a_shared_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.setenv("PALIMPSEST_OPEN_TO_ALL", "1")
    app = opened(log_in=False)
    assert "unpublished" in shown(app)
    app.switch_page(TASKS).run()
    assert not app.button(key="tasks_sample_all").disabled
