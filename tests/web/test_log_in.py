"""A server with a log-in, against a real OpenID Connect provider: what editors, readers and all others may do."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.dashboard.server import Server
from engine.common.errors import StoreError
from engine.experiments.demo import demo_experiment
from engine.store import Store
from engine.tasks.library import Library
from tests.fake_runs import wait_until
from tests.web.client import Session, ask, handshake, log_in, session, upload_parts
from tests.web.servers import EDITOR, IMPOSTOR, READER, STRANGER, app_with_log_in, secrets

NAMES = ("start", "tasks", "experiment", "live", "compare")


@pytest.fixture(scope="module", autouse=True)
def recorded(shared: tuple[Server, Path]) -> Iterator[str]:
    """An experiment that only those on the lists may see; nothing trains it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALIMPSEST_DATA", str(shared[1]))
        store = Store(shared[1])
        experiment_id = store.add_experiment(demo_experiment().model_copy(update={"name": "unpublished"}))
        stop_everything(store)
        yield experiment_id
        store.close()


def stop_everything(store: Store) -> None:
    """Nothing here waits for a run to end."""
    for run_id in store.runs()["run_id"]:
        with suppress(StoreError):  # over already
            store.request(run_id, "stop")


@contextmanager
def logged_in(server: Server, user: str) -> Iterator[Session]:
    with session(server.address, log_in(server.address, user)) as visitor:
        visitor.draw("")
        yield visitor


def experiments(data: Path) -> int:
    """How many experiments are recorded."""
    store = Store(data)
    try:
        return len(store.experiments())
    finally:
        store.close()


# First: until `app.py` has run once, Streamlit takes every file of `pages` for a page of its own.
@pytest.mark.parametrize("name", NAMES)
def test_nobody_sees_a_page_without_a_log_in_by_whatever_way_he_comes(shared: tuple[Server, Path], name: str) -> None:
    with session(shared[0].address) as visitor:
        visitor.draw(name)
        assert "Log in to see its experiments" in visitor.text()
        assert "unpublished" not in visitor.text()


def test_an_editor_sees_everything_and_may_change_things(shared: tuple[Server, Path]) -> None:
    server, data = shared
    with logged_in(server, EDITOR) as visitor:
        assert "unpublished" in visitor.text()
        form, body = upload_parts(b"a text")
        own = {**form, "Origin": server.address, "Cookie": f"_streamlit_xsrf={visitor.xsrf}"}
        path = f"/_stcore/upload_file/{visitor.session_id}/one"
        assert ask(server.address, path, "PUT", {**own, "X-Xsrftoken": visitor.xsrf}, body).status == 204
        visitor.draw("tasks")
        assert not visitor.is_disabled("tasks_sample_all")
        visitor.draw("tasks", pressed="tasks_sample_all")
    library = Library(data)
    added = [task.task_id for task in library.tasks()]
    assert added
    for task_id in added:
        library.delete(task_id, keep_files=False)
    assert f"{EDITOR} added task {added[0]}" in (data / "server.log").read_text()


def test_a_reader_sees_everything_and_can_change_nothing_even_with_a_forged_click(shared: tuple[Server, Path]) -> None:
    server, data = shared
    before = experiments(data)
    with logged_in(server, READER) as visitor:
        assert "unpublished" in visitor.text()
        form, body = upload_parts(b"a text")
        own = {**form, "Origin": server.address, "Cookie": f"_streamlit_xsrf={visitor.xsrf}"}
        path = f"/_stcore/upload_file/{visitor.session_id}/one"
        refused = ask(server.address, path, "PUT", {**own, "X-Xsrftoken": visitor.xsrf}, body)
        assert (refused.status, refused.body) == (403, b"Only those who may change things here may upload.")
        visitor.draw("tasks")
        assert visitor.is_disabled("tasks_sample_all")
        visitor.draw("tasks", pressed="tasks_sample_all")
        assert "change nothing" in visitor.text()
    assert experiments(data) == before
    assert not [path for path in (data / "tasks").iterdir() if path.is_dir()]


def test_who_is_made_a_reader_can_change_nothing_more_on_a_page_that_is_still_open(
    provider: str, tmp_path: Path
) -> None:
    with app_with_log_in(tmp_path, provider) as server, logged_in(server, EDITOR) as page:
        page.draw("tasks")
        page.draw("tasks", pressed="tasks_sample_all")
        page.draw("tasks")
        order = [task.name for task in Library(tmp_path).tasks()]
        first = Library(tmp_path).tasks()[0].task_id
        (tmp_path / "secrets.toml").write_text(secrets(provider, [], [EDITOR]))
        with logged_in(server, EDITOR) as another:
            wait_until(lambda: another.draw("") or another.is_disabled("start_demo"))  # type: ignore[func-returns-value]
        page.draw("tasks", pressed=f"tasks_down_{first}")
        assert [task.name for task in Library(tmp_path).tasks()] == order
        assert "change nothing" in page.text()
    log = (tmp_path / "server.log").read_text()
    assert f"{EDITOR} added task {first}" in log
    assert f"Refused a change to {EDITOR}" in log


@pytest.mark.parametrize(
    ("user", "reason"),
    [(STRANGER, "on this server's list"), (IMPOSTOR, "has not confirmed")],
    ids=["other", "impostor"],
)
def test_those_not_on_the_lists_are_told_so_and_can_log_out(
    shared: tuple[Server, Path], user: str, reason: str
) -> None:
    with logged_in(shared[0], user) as visitor:
        assert reason in visitor.text().replace("\\", "")
        assert "unpublished" not in visitor.text()
        assert not visitor.is_disabled("entrance_log_out")
        visitor.draw("", pressed="entrance_log_out")
        assert visitor.redirect() == "/auth/logout"
        visitor.draw("")
        assert "Log in to see its experiments" in visitor.text()


def test_routes_answer_readers_and_editors_and_nobody_else(shared: tuple[Server, Path]) -> None:
    address, route = shared[0].address, "/api/v1/experiments"

    def asked(cookies: str, **headers: str) -> tuple[int, bool]:
        answer = ask(address, route, headers={"Cookie": cookies, **headers})
        return answer.status, b"unpublished" in answer.body

    assert asked("") == (401, False)
    assert {user: asked(log_in(address, user)) for user in (EDITOR, READER, STRANGER, IMPOSTOR)} == {
        EDITOR: (200, True), READER: (200, True), STRANGER: (403, False), IMPOSTOR: (403, False),
    }  # fmt: skip
    cookies = log_in(address, READER)
    name, _, value = cookies.partition("=")
    middle = len(value) // 8
    forged = f"{name}={value[:middle]}{'A' if value[middle] != 'A' else 'B'}{value[middle + 1 :]}"
    assert asked(forged) == (401, False)
    assert asked(cookies, Host=address.removeprefix("http://").replace("127.0.0.1", "localhost")) == (401, False), (
        "a log-in counts for the address that it was given to, as on pages"
    )


def test_a_log_in_s_cookie_counts_only_for_its_own_pages_and_only_unchanged(shared: tuple[Server, Path]) -> None:
    server = shared[0]
    cookies = log_in(server.address, EDITOR)
    assert handshake(server.address, {"Origin": "https://elsewhere.example", "Cookie": cookies}) == 403
    name, _, value = cookies.partition("=")
    middle = len(value) // 8
    forged = f"{name}={value[:middle]}{'A' if value[middle] != 'A' else 'B'}{value[middle + 1 :]}"
    with session(server.address, forged) as visitor:
        visitor.draw("")
        assert "Log in to see its experiments" in visitor.text()
