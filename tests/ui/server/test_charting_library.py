"""The charting library as a file of the server."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import plotly
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from ui.server import charting_library

LIBRARY = Path(plotly.__file__).with_name("package_data") / "plotly.min.js"


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A server with the library, a page and something that is no page."""
    routes = [
        charting_library.route(),
        Route("/live", lambda _: HTMLResponse("<p>page</p>")),
        Route("/", lambda _: HTMLResponse("<p>page</p>")),
        Route("/facts", lambda _: JSONResponse({})),
    ]
    announced = Middleware(charting_library.Announced, pages_with_charts=("live",))
    with TestClient(Starlette(routes=routes, middleware=[announced])) as client:
        yield client


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_the_library_of_the_wheel_comes_whole_and_is_kept_by_the_browser(client: TestClient, accepted: str) -> None:
    with client.stream("GET", f"/{charting_library.ADDRESS}", headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers.get("Content-Encoding", "identity") == accepted
    assert (gzip.decompress(body) if accepted == "gzip" else body) == LIBRARY.read_bytes()
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Type"].startswith("text/javascript")


def test_another_version_has_another_name(client: TestClient) -> None:
    assert plotly.__version__ in charting_library.ADDRESS
    older = charting_library.ADDRESS.replace(plotly.__version__, "1.0.0")
    assert client.get(f"/{older}").status_code == 404


def test_it_lies_below_the_servers_base_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": "/team/lab/"}.get)
    assert charting_library.route().path == f"/team/lab/{charting_library.ADDRESS}"


def test_a_page_with_charts_has_it_fetched_at_once_and_another_page_later(client: TestClient) -> None:
    assert client.get("/live").headers["Link"] == f"<{charting_library.ADDRESS}>; rel=preload; as=script"
    assert client.get("/").headers["Link"] == f"<{charting_library.ADDRESS}>; rel=prefetch"
    assert "Link" not in client.get("/facts").headers
