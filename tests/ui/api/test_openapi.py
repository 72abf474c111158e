"""The description holds: every route, asked anything, answers in one of the forms that it names."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.ui.api.conftest import Served
from ui.api.openapi import document
from ui.api.resources import RESOURCES, Resource
from ui.api.schemas import COMPONENTS

ODD = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/?#\\"), max_size=12)


def check(status: int, content_type: str, body: Any, operation: dict[str, Any]) -> None:
    """Raises where an answer is not as the operation describes it."""
    described = operation["responses"][str(status)]
    if "content" not in described:
        assert body is None
        return
    assert content_type == "application/json"
    schema = described["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document()["components"]}).validate(body)


def ask(served: Served, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> int:
    """One question, held against the description; gives the status."""
    template = next(each for each in document()["paths"] if fits(each, path))
    answer = served.client.get(path, params=query, headers=headers)
    body = answer.json() if answer.content else None
    check(answer.status_code, answer.headers.get("Content-Type", ""), body, document()["paths"][template]["get"])
    return answer.status_code


def fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]*", re.escape(template)), path) is not None


def queries(resource: Resource) -> st.SearchStrategy[list[tuple[str, str]]]:
    """What may be asked of a route: values in and out of bounds, names that there are and others."""
    names = st.sampled_from([*(each.name for each in resource.parameters), "other"])
    words = [word for each in resource.parameters for word in each.schema.get("enum", [])]
    values = st.one_of(st.integers(-3, 12).map(str), st.sampled_from([*words, "tea", "bread", "1e3", "٣", ""]), ODD)
    return st.lists(st.tuples(names, values), max_size=3, unique_by=lambda pair: pair[0])


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: each.path)
def test_every_route_answers_as_it_is_described_whatever_it_is_asked(served: Served, resource: Resource) -> None:
    right = resource.path.format(experiment_id=served.experiment_id, run_id=served.run_id)
    statuses = set()

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(query=queries(resource), known=st.sampled_from(["", "*", 'W/"no"']), odd=st.none() | ODD)
    def asked(query: list[tuple[str, str]], known: str, odd: str | None) -> None:
        named = quote(odd or "-", safe="") if odd not in (".", "..") else "-"  # which a client takes out of an address
        path = right if odd is None else resource.path.format(experiment_id=named, run_id=named)
        statuses.add(ask(served, path, query, {"If-None-Match": known} if known else {}))

    asked()
    least = [
        (each.name, {"stage": "1", "task": "bread"}[each.name]) for each in resource.parameters if each.default is None
    ]
    assert ask(served, right, least, {}) == 200
    assert ask(served, right, least, {"If-None-Match": "*"}) == 304
    assert statuses <= {200, 304, 400, 404}


def test_the_document_names_every_route_and_is_what_the_route_gives(served: Served) -> None:
    found = served.client.get("/openapi.json").json()
    assert found == document()
    assert set(found["paths"]) == {*(each.path for each in RESOURCES), "/openapi.json"}
    assert all(set(methods) == {"get"} for methods in found["paths"].values())


def test_all_forms_are_sound_and_used() -> None:
    text = repr(document())
    for name, schema in COMPONENTS.items():
        Draft202012Validator.check_schema(schema)
        assert f"#/components/schemas/{name}'" in text, f"{name} is nobody's answer"
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(COMPONENTS)


def test_every_parameter_of_a_path_is_described() -> None:
    for path, methods in document()["paths"].items():
        described = {each["name"] for each in methods["get"].get("parameters", []) if each["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))


def test_the_guide_names_every_route() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [path for path in document()["paths"] if f"`{path}`" not in guide]
    assert missing == []
