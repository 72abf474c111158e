"""Requests that name another host, or come from another site's page, against the real server: all refused."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.web.client import Session, ask, handshake, session, upload_parts
from tests.web.servers import app
from ui.experiment import words
from ui.server import charting_library

FOREIGN: tuple[Mapping[str, str], ...] = (
    {"Host": "rebound.example:8501"},
    {"Host": "rebound.example:8501", "Origin": "http://rebound.example:8501"},
    {"Host": "127.0.0.1.rebound.example"},
    {"Host": "somebody@127.0.0.1"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "null"},
)
PATHS = (
    "/", "/live", "/index.html", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics", "/component/a/b.js",
    "/_stcore/bidi-components/a/b.js", "/_stcore/agent/interact", "/auth/login", "/auth/logout", "/oauth2callback",
    "/api/v1/experiments", "/api/v1/openapi.json", "/api/v1/nothing", f"/{charting_library.ADDRESS}",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with app(tmp_path_factory.mktemp("local")) as server:
        yield server.address


@pytest.fixture
def opened(address: str) -> Iterator[Session]:
    """A session that shows the Experiment page."""
    with session(address) as visitor:
        visitor.draw("experiment")
        yield visitor


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nothing_is_answered_to_a_foreign_request(address: str, headers: Mapping[str, str]) -> None:
    for path in PATHS:
        assert ask(address, path).status != 403, path
        answer = ask(address, path, headers=headers)
        assert (answer.status, "set-cookie" in answer.headers) == (403, False), path
        assert b"This server " in answer.body[:30], path


def test_a_media_file_is_given_to_the_app_s_own_pages_only(address: str, opened: Session) -> None:
    opened.draw("experiment", unfolded=words.AS_FILE)
    file = opened.media()
    assert ask(address, file).status == 200
    assert ask(address, file, headers={"Origin": address}).status == 200
    assert {ask(address, file, headers=headers).status for headers in FOREIGN} == {403}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_file_is_taken_from_the_app_s_own_pages_only(address: str, opened: Session, method: str) -> None:
    path = f"/_stcore/upload_file/{opened.session_id}/one"
    form, body = upload_parts(b"a text")
    own = {**form, "Origin": address, "Cookie": f"_streamlit_xsrf={opened.xsrf}", "X-Xsrftoken": opened.xsrf}
    assert ask(address, path, method, own, body).status == 204
    assert {ask(address, path, method, {**own, **headers}, body).status for headers in FOREIGN} == {403}
    assert ask(address, path, method, {**own, "X-Xsrftoken": ""}, body).status == 403
    assert ask(address, "/_stcore/upload_file/another/one", method, own, body).status == 403


def test_the_websocket_is_opened_for_the_app_s_own_pages_only(address: str) -> None:
    assert handshake(address, {"Origin": address}) == 101
    by_name = address.replace("127.0.0.1", "localhost")
    assert handshake(address, {"Origin": by_name, "Host": by_name.removeprefix("http://")}) == 101
    assert {handshake(address, headers) for headers in FOREIGN} == {403}


def test_no_page_elsewhere_may_show_the_app_inside_itself(address: str) -> None:
    assert "frame-ancestors 'self'" in ask(address, "/").headers["content-security-policy"]


def test_no_page_of_the_app_may_fetch_anything_elsewhere(address: str) -> None:
    policy = ask(address, "/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert not [source for source in rules["default-src"].split() if "*" in source or "//" in source]
    assert set(rules) <= {"default-src", "object-src", "frame-ancestors"}  # any other would replace the first


def test_a_server_of_another_name_answers_to_that_name(tmp_path: Path) -> None:
    names = {"STREAMLIT_SERVER_ALLOWED_HOSTS": "*.lab.example localhost 127.0.0.1", "PALIMPSEST_OPEN_TO_ALL": "1"}
    with app(tmp_path, **names) as server:
        host = {"Host": "gpu.lab.example"}
        assert ask(server.address, "/", headers=host).status == 200
        assert handshake(server.address, {**host, "Origin": "https://gpu.lab.example"}) == 101
        assert handshake(server.address, {**host, "Origin": "https://other.lab.example"}) == 403
        assert ask(server.address, "/", headers={"Host": "lab.example"}).status == 403


def test_a_route_answers_in_json_refusals_too_and_nothing_but_itself(address: str) -> None:
    answer = ask(address, "/api/v1/experiments")
    assert (answer.status, json.loads(answer.body)) == (200, {"experiments": []})
    assert json.loads(ask(address, "/api/v1/openapi.json").body)["openapi"] == "3.1.0"
    assert ask(address, "/api/v1/nothing").status == 404, "not the page, which Streamlit gives for every address"
    refused = ask(address, "/api/v1/experiments", headers=FOREIGN[0])
    assert (refused.status, "error" in json.loads(refused.body)) == (403, True)
