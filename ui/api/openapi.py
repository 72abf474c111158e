"""The description of all routes as an OpenAPI 3.1 document."""

from functools import cache
from typing import Any

from ui.api.resources import RESOURCES, Resource
from ui.api.schemas import COMPONENTS, named

VERSION = "1.0.0"
"""Raised with every change of form: its first number where a program that reads the old form would fail."""
_PROBLEMS = {
    "400": "A parameter is wrong; the sentence names it.",
    "401": "Log in first: this server answers only those on its list.",
    "403": "You are not on this server's list, or the request is not one of its own pages.",
    "404": "There is no such experiment or run, or it lies in the bin.",
    "503": "The data can't be read at the moment; the sentence says why.",
}
_ABOUT = (
    "What this server's experiments have recorded, to be read by programs. Nothing can be changed here. Every answer "
    "has an ETag: ask with If-None-Match, and nothing is sent until something is new. A server with a log-in answers "
    "those whom its pages answer, by the cookie that the log-in leaves in the browser."
)
_LOOK_AGAIN = {
    "description": "Seconds after which there may be something new.",
    "schema": {"type": "number", "minimum": 0},
}
_TAG = {"description": "Names the content of the answer.", "schema": {"type": "string"}}


@cache
def document() -> dict[str, Any]:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Palimpsest", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": "/api/v1"}],
        "security": [{}, {"log_in": []}],
        "paths": {each.path: {"get": _operation(each)} for each in RESOURCES} | {"/openapi.json": {"get": _own()}},
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {"log_in": {"type": "apiKey", "in": "cookie", "name": "_streamlit_user"}},
        },
    }


def _operation(resource: Resource) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "description": meaning, "schema": {"type": "string"}}
        for name, meaning in resource.ids.items()
    ]
    in_query = [
        {"name": each.name, "in": "query", "required": each.default is None, "description": each.description,
         "schema": each.schema}
        for each in resource.parameters
    ]  # fmt: skip
    known = {"name": "If-None-Match", "in": "header", "description": "The ETag of the answer that is known.",
             "schema": {"type": "string"}}  # fmt: skip
    return {
        "operationId": resource.made_by.replace(":", "_"),
        "summary": resource.summary,
        "parameters": [*in_path, *in_query, known],
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": {"ETag": _TAG, "Palimpsest-Look-Again": _LOOK_AGAIN},
                "content": {"application/json": {"schema": resource.answer}},
            },
            "304": {"description": "Nothing is new.", "headers": {"Palimpsest-Look-Again": _LOOK_AGAIN}},
            **{status: _problem(text) for status, text in _PROBLEMS.items()},
        },
    }


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": named("Error")}}}


def _own() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    answers = {"200": {"description": "The document.", "content": content}}
    refusals = {status: _problem(text) for status, text in _PROBLEMS.items() if status in ("400", "401", "403")}
    return {"operationId": "openapi", "summary": "This description", "responses": answers | refusals}
