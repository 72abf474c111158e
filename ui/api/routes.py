"""The routes as an app of its own that answers GET alone, in JSON, and only those whom the pages answer."""

import logging
from collections.abc import Callable
from typing import Any

import streamlit as st
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from engine.common.errors import AccessError, PalimpsestError, StoreError
from ui.api.openapi import document
from ui.api.parameters import values_of
from ui.api.request_errors import RequestError
from ui.api.resources import RESOURCES, Resource
from ui.api.shared_answers import Answer, Answers
from ui.api.sources import Sources
from ui.server.access import Role, Visitor
from ui.server.addresses import API
from ui.server.route_visitors import visitor_who_asks

LOG = logging.getLogger("palimpsest.api")
ENDED_SECONDS = 15.0
"""Between two looks of a page at a run that records nothing more by itself; somebody may resume it."""
_SOONEST_SECONDS = 0.1
_HEADERS = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin"}  # fmt: skip


def mounted() -> Mount:
    """The routes at their place on this server, below the path that `server.baseUrlPath` names."""
    below = st.get_option("server.baseUrlPath").strip("/")
    return Mount(f"/{below}/{API}" if below else f"/{API}", app=api(server_sources, visitor_who_asks))


def server_sources() -> Sources:
    """Those of the server's data folder."""
    from engine.common.paths import data_folder
    from engine.running.queue import get_runner
    from ui.live.data import feed_of
    from ui.server.session import store_of_routes

    store = store_of_routes()
    return Sources(store, feed_of(store), lambda: get_runner(data_folder()).trouble)


def api(sources: Callable[[], Sources], visitor: Callable[[Request], Visitor]) -> Starlette:
    """The app of all routes. `sources` opens the data, in a thread; `visitor` tells who asks."""
    shared = Answers(lambda: sources().store.version())
    routes = [Route(each.path, _endpoint(each, shared, sources, visitor), methods=["GET"]) for each in RESOURCES]

    async def description(request: Request) -> Response:
        _admit(visitor(request))
        values_of(request.query_params.multi_items(), ())
        return JSONResponse(document(), headers=_HEADERS)

    routes.append(Route("/openapi.json", description, methods=["GET"]))
    app = Starlette(
        routes=routes,
        exception_handlers={
            RequestError: lambda _, error: _refusal(error.status, str(error)),
            AccessError: lambda _, error: _refusal(403, str(error)),
            StoreError: lambda _, error: _refusal(503, str(error)),
            PalimpsestError: lambda _, error: _refusal(500, str(error)),
            HTTPException: _unknown,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(
    resource: Resource, shared: Answers, sources: Callable[[], Sources], visitor: Callable[[Request], Visitor]
) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        _admit(visitor(request))
        values = dict(request.path_params) | values_of(request.query_params.multi_items(), resource.parameters)

        def make() -> Answer:
            from ui.api.plain_data import written

            data = resource.make(sources(), values)
            return Answer(written(data), resource.seconds if data.get("may_change", True) else ENDED_SECONDS)

        given, seconds = await shared.give((resource.path, *sorted(values.items())), make)
        return _response(request, given, max(seconds, _SOONEST_SECONDS))

    return answer


def _admit(visitor: Visitor) -> None:
    """Raises RequestError for who may not see what is here."""
    if visitor.role is not Role.NOTHING:
        return
    if visitor.refusal:
        raise RequestError(403, visitor.refusal)
    raise RequestError(401, "This server is for those on its list. Log in on one of its pages first.")


def _response(request: Request, answer: Answer, seconds: float) -> Response:
    headers = _HEADERS | {"ETag": answer.tag, "Palimpsest-Look-Again": f"{seconds:.2f}", "Vary": "Accept-Encoding"}
    if _is_known(answer.tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if answer.squeezed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(answer.squeezed, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
    return Response(answer.body, headers=headers, media_type="application/json")


def _is_known(tag: str, known: str) -> bool:
    tags = [each.strip().removeprefix("W/") for each in known.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags


def _refusal(status: int, sentence: str) -> Response:
    headers = _HEADERS | ({"WWW-Authenticate": 'Cookie realm="Palimpsest"'} if status == 401 else {})
    return JSONResponse({"error": sentence}, status, headers)


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        refusal = _refusal(405, "Nothing can be changed here: ask with GET.")
        refusal.headers["Allow"] = "GET, HEAD"
        return refusal
    return _refusal(404, f"There is no route {request.url.path!r}; /{API}/openapi.json describes those that there are.")


async def _failed(request: Request, error: Exception) -> Response:
    LOG.error("%s was not answered", request.url.path, exc_info=error)
    return _refusal(500, "The server failed at this; its log says why.")
