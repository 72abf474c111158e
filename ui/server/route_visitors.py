"""Who asks a route of the server, by the cookie of Streamlit's log-in: the same rules as on pages, without a session.

Streamlit signs the cookie with `cookie_secret` and writes into it what the provider said, and the origin that it was
given to. It reads the cookie for a page's WebSocket alone, in the way that this does for a route.
"""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st
from starlette.requests import HTTPConnection
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
from streamlit.web.server.starlette.starlette_websocket import gather_user_info

from ui.server import entrance, gate
from ui.server.access import Visitor


def visitor_who_asks(request: HTTPConnection) -> Visitor:
    """Raises AccessError where nobody may use the server as it is set up."""
    return entrance.visitor_with(lambda: _claims(request))


def _claims(request: HTTPConnection) -> Mapping[str, Any]:
    """What the log-in's cookie says; nothing where there is none, it is not ours or was given to another origin."""

    def one(name: str) -> bytes | None:
        value = request.cookies.get(name)
        # a cookie's bytes come as characters of ISO 8859-1
        return decode_signed_value(get_cookie_secret(), name, value.encode("latin-1")) if value else None

    try:
        found = get_cookie_with_chunks(one, USER_COOKIE_NAME)
        claims = json.loads(found) if found else {}
    except ValueError:
        return {}
    others = st.get_option("server.corsAllowedOrigins")
    origin = claims.get("origin")
    if origin is None or not gate.is_own_origin(origin, request.headers.get("host"), others):
        return {}
    return claims | gather_user_info(request.headers)
