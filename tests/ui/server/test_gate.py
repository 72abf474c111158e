"""Hosts, origins and uploads that reach the app, and those that don't."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from ui.server import gate
from ui.server.gate import Gate, is_own_host, is_own_origin

LOCAL = ["localhost", "127.0.0.1"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "127.0.0.1:1", "localhost.:80"])
def test_this_machine_s_names_are_its_own(host: str) -> None:
    assert is_own_host(host, LOCAL)


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.example", "127.0.0.1.evil.example", "evil.example:127.0.0.1", "x@127.0.0.1", "127.0.0.1@evil",
        "127.0.0.1/", "127.0.0.1:80:80", "127.0.0.1:", " 127.0.0.1", "127.0.0.1, evil.example", "[::1]", "[127.0.0.1",
    ],
)  # fmt: skip
def test_another_name_or_none_is_not(host: str | None) -> None:
    assert not is_own_host(host, LOCAL)


def test_names_may_be_addresses_patterns_or_all() -> None:
    assert is_own_host("[::1]:8501", ["::1"])
    assert is_own_host("a.lab.example", ["*.lab.example"])
    assert not is_own_host("lab.example", ["*.lab.example"])
    assert not is_own_host("notlab.example", ["*.lab.example"])
    assert is_own_host("any.example", ["*"])
    assert is_own_host("any.example", [])
    assert not is_own_host("any.example/x", ["*"])


def test_an_origin_is_own_where_it_names_the_host_of_the_request_with_its_port() -> None:
    assert is_own_origin(None, "127.0.0.1:8501")
    assert is_own_origin("http://127.0.0.1:8501", "127.0.0.1:8501")
    assert is_own_origin("https://lab.example", "lab.example")
    assert is_own_origin("https://other.example", "lab.example", ["https://other.example"])
    for foreign in ("null", "", "http://127.0.0.1:3000", "http://localhost:8501", "ftp://127.0.0.1:8501", "http://["):
        assert not is_own_origin(foreign, "127.0.0.1:8501"), foreign


def status(path: str, server: tuple[str, int] | None, method: str = "PUT") -> int:
    """What a private server's gate answers to a request that arrives at the address `server`."""
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", b"localhost")], "server": server}
    asyncio.run(Gate(PlainTextResponse("the app"))(scope, receive, send))
    return int(messages[0]["status"])


def test_a_private_server_answers_nobody_who_reaches_it_by_another_address() -> None:
    assert status("/", ("127.0.0.1", 8501)) == 200
    assert status("/", ("192.168.1.5", 8501)) == 403


def test_only_sessions_whose_visitor_may_change_things_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_uploading", {})
    path, here = "/below/_stcore/upload_file/session-1/file", ("127.0.0.1", 8501)
    assert status(path, here) == 403
    gate.let_upload("session-1", True)
    assert status(path, here) == 200
    gate.let_upload("session-1", False)
    assert (status(path, here), status(path, here, "DELETE"), status(path, here, "OPTIONS")) == (403, 403, 200)


def test_of_sessions_that_may_upload_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_uploading", {})
    monkeypatch.setattr(gate, "_MOST_SESSIONS", 2)
    for session_id in ("a", "b", "a", "c"):
        gate.let_upload(session_id, True)
    assert list(gate._uploading) == ["a", "c"]


def cookie_of(path: str, cookies: str = "", private: bool = False) -> str:
    """The cookie that a gate sets on the answer to a browser that asks for `path` and sends `cookies`."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    made = Gate(PlainTextResponse("a page"))
    made._private, made._hosts = private, ["lab.example"]
    headers = [(b"host", b"lab.example"), *([(b"cookie", cookies.encode())] if cookies else [])]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "server": ("127.0.0.1", 80)}
    asyncio.run(made(scope, receive, send))
    return dict(sent[0]["headers"]).get(b"set-cookie", b"").decode()


def test_a_browser_of_a_shared_server_gets_a_name_once_that_scripts_and_other_pages_do_not_see() -> None:
    first, second = cookie_of("/experiment"), cookie_of("/experiment")
    name, _, rest = first.partition("; ")
    assert name.startswith(f"{gate.BROWSER}=")
    assert len(name) > 30
    assert name != second.partition("; ")[0]
    assert {"HttpOnly", "SameSite=Lax"} <= set(rest.split("; "))
    assert cookie_of("/experiment", f"other=1; {name}") == ""
    assert cookie_of("/_stcore/health") == cookie_of("/static/x.js") == ""
    assert cookie_of("/experiment", private=True) == ""
