"""The charting library as a file of this server, which a browser keeps and compiles once for all pages to come."""

import gzip
from collections.abc import Collection
from functools import cache
from pathlib import Path

import plotly
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "libraries"
ADDRESS = f"{FOLDER}/plotly-{plotly.__version__}.min.js"
"""Beside the page, as `ui/server/addresses.py` has the others. Another version has another name."""
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def route() -> Route:
    """The place of the library, below the path that `server.baseUrlPath` names."""
    below = st.get_option("server.baseUrlPath").strip("/")
    return Route(f"/{below}/{ADDRESS}" if below else f"/{ADDRESS}", _answer, methods=["GET"])


async def _answer(request: Request) -> Response:
    squeezes = "gzip" in request.headers.get("accept-encoding", "")
    body = await run_in_threadpool(_squeezed if squeezes else _plain)
    encoded = {"Content-Encoding": "gzip"} if squeezes else {}
    return Response(body, headers=_HEADERS | encoded, media_type="text/javascript")


def _plain() -> bytes:
    return (Path(plotly.__file__).with_name("package_data") / "plotly.min.js").read_bytes()


@cache
def _squeezed() -> bytes:
    return gzip.compress(_plain(), 6)


class Announced:
    """ASGI middleware that has the browser fetch the library early: with Streamlit's own scripts where the page shows
    charts, and when it has nothing else to do on the other pages."""

    def __init__(self, app: ASGIApp, pages_with_charts: Collection[str]) -> None:
        self._app = app
        self._pages_with_charts = pages_with_charts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_charts = scope["path"].rpartition("/")[2] in self._pages_with_charts
        link = f"<{ADDRESS}>; rel=preload; as=script" if has_charts else f"<{ADDRESS}>; rel=prefetch"

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("Link", link)
            await send(message)

        await self._app(scope, receive, send_on)
