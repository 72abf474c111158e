"""The gate lets only some requests reach the app: those to its own names and from its own pages, and uploads of those
who may change things. Its pages may ask nothing of other servers. Where others reach the server, it gives each browser
a random name, by which drafts are told apart.

Streamlit checks the host and the origin of its WebSocket alone, and lets pages of every other port of this machine in.
A page elsewhere whose name was made to point here (DNS rebinding) could read all that is not the WebSocket; one at
another port could drive the app.
"""

import re
import secrets
import threading
from collections.abc import Sequence

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.server import access, words
from ui.server.addresses import API
from ui.server.charting_library import FOLDER as LIBRARIES

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/\\@?#:\[\]]+)(:[0-9]+)?", re.IGNORECASE)
_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]+)/")
_MOST_SESSIONS = 10_000
# Streamlit's pages and components are scripts and styles of every kind, but all of them come from here.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; frame-ancestors 'self'"
BROWSER = "palimpsest_browser"
"""The cookie that holds a browser's name. Scripts can't read it, and pages elsewhere don't send it."""
_COOKIE = "Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"
_uploading: dict[str, None] = {}
"""Sessions whose visitors may upload, the latest last."""
_noting = threading.Lock()


def let_upload(session_id: str, may: bool) -> None:
    """Note whether the visitor of a session may upload; nobody may before a page has asked who it is."""
    with _noting:
        _uploading.pop(session_id, None)
        if may:
            _uploading[session_id] = None
        if len(_uploading) > _MOST_SESSIONS:
            del _uploading[next(iter(_uploading))]


def is_own_host(host: str | None, names: Sequence[str]) -> bool:
    """Whether a header `Host` names this server, `names` being `server.allowedHosts` as Streamlit reads it.

    The port does not matter; "*" is every name, "*.example.org" every one below; an empty list allows all.
    """
    matched = _HOST.fullmatch(host or "")
    if matched is None:
        return False
    name = matched[1].strip("[]").lower().rstrip(".")
    own = [each.strip().strip("[]").lower().rstrip(".") for each in names] or ["*"]
    return any(each in ("*", name) or (each.startswith("*.") and name.endswith(each[1:])) for each in own)


def is_own_origin(origin: str | None, host: str | None, others: Sequence[str] = ()) -> bool:
    """Whether a header `Origin` is missing (no page asked), this server's own, or of `server.corsAllowedOrigins`."""
    return origin in (None, f"http://{host}", f"https://{host}", *others)


class Gate:
    """ASGI middleware around the whole app, its WebSocket included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._hosts: list[str] = st.get_option("server.allowedHosts")
        self._origins: list[str] = st.get_option("server.corsAllowedOrigins")
        self._private = access.is_private(st.get_option("server.address"), self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else ""
        if refusal and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        elif refusal:
            await _refused(scope, refusal)(scope, receive, send)
        else:
            await self._app(scope, receive, _kept_apart(send, names_browser=not self._private and _is_unnamed(scope)))

    def _refusal(self, scope: Scope) -> str:
        headers, server = Headers(scope=scope), scope.get("server")
        host = headers.get("host")
        # Another program than Streamlit's may have started the app, and may listen elsewhere than its settings say.
        if self._private and server and not access.is_loopback(server[0]):
            return words.OWN_MACHINE_ONLY
        if not is_own_host(host, self._hosts):
            return words.OTHER_NAME
        if not is_own_origin(headers.get("origin"), host, self._origins):
            return words.OTHER_PAGES
        upload = _UPLOAD.search(scope["path"])
        if upload and scope["method"] != "OPTIONS" and upload[1] not in _uploading:
            return words.NO_UPLOAD
        return ""


def _refused(scope: Scope, refusal: str) -> Response:
    """In the form in which the place that was asked for answers."""
    if f"/{API}/" in scope["path"]:
        return JSONResponse({"error": refusal}, 403)
    return PlainTextResponse(refusal, 403)


def _is_unnamed(scope: Scope) -> bool:
    """Whether a page is asked for by a browser that has no name yet."""
    path = scope["path"]
    if scope["type"] != "http" or scope["method"] != "GET" or re.search(rf"/(_stcore|static|{API}|{LIBRARIES})/", path):
        return False
    return BROWSER not in cookie_parser(Headers(scope=scope).get("cookie", ""))


def _kept_apart(send: Send, names_browser: bool) -> Send:
    """Say to browsers what a page of this app may do with others.

    It fetches nothing from other servers, whatever a library or a text in it asks for. Pages elsewhere do not show it
    inside them, where their visitors could be made to click unawares.
    """

    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.append("Content-Security-Policy", _POLICY)
            headers.append("Referrer-Policy", "same-origin")
            if names_browser:
                headers.append("Set-Cookie", f"{BROWSER}={secrets.token_urlsafe(16)}; {_COOKIE}")
        await send(message)

    return send_on
