"""The OpenAPI document against the application; `conftest.Caller` holds every answer against it."""

from __future__ import annotations

from typing import Any

import pytest

from deckwatch_gateway import examples
from deckwatch_vision.result import Result

from .conftest import Running


@pytest.fixture
def document(without_triton: Running) -> dict[str, Any]:
    found: dict[str, Any] = without_triton.caller.get("/openapi.json").json()
    return found


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    routes = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert routes == {
        ("/classifyfish", "post"),
        ("/v1/classify", "post"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
        ("/v1/release", "get"),
        ("/tasks/", "get"),
        ("/tasks/", "post"),
        ("/tasks/{api_key}", "get"),
        ("/tasks/{api_key}", "post"),
        ("/", "get"),
    }


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in _references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_the_example_is_a_result(document: dict[str, Any]) -> None:
    assert document["components"]["schemas"]["Result"]["example"] == examples.RESULT
    result = Result.from_dict(examples.RESULT)
    assert result.as_dict() == examples.RESULT
    assert result.pairs() == examples.PAIRS


def test_the_schema_knows_every_member_of_a_result(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Result"]["properties"].keys() == examples.RESULT.keys()
    fish, image = examples.RESULT["fish"], examples.RESULT["image"]
    assert isinstance(fish, list)
    assert isinstance(image, dict)
    assert schemas["Fish"]["properties"].keys() == fish[0].keys()
    assert schemas["Result"]["properties"]["image"]["properties"].keys() == image.keys()


def test_the_index_links_lead_somewhere(without_triton: Running) -> None:
    for path in without_triton.caller.get("/").json()["links"].values():
        assert without_triton.caller.get(path).status_code != 404


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []
