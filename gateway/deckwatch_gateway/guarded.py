"""Routes behind a key: the guard, and what the OpenAPI document says of it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from deckwatch_gateway import openapi
from deckwatch_gateway.access import needs

REFUSALS = {
    401: "A key is asked for; none came, or an unknown one.",
    403: "The key is not for this, or a web page of another site sent the request.",
    429: "Too many requests or wrong keys in a short time; see Retry-After.",
}
# The last one, which is empty, says that there may be none.
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}, {}]


def add_guarded_route(
    app: FastAPI, path: str, method: str, endpoint: Any, scope: str, documentation: dict[str, Any]
) -> None:
    """Hang a route under `app` that asks for a key with `scope`, where keys are asked for."""
    extra = {**documentation.get("openapi_extra", {}), "security": SECURITY}
    answers = {code: openapi.problem_answer(text, code) for code, text in REFUSALS.items()}
    responses = {**documentation["responses"], **answers}
    app.add_api_route(
        path,
        endpoint,
        methods=[method],
        response_model=None,
        dependencies=[needs(scope)],
        **{
            **documentation,
            "openapi_extra": extra,
            "responses": dict(sorted(responses.items())),
        },
    )
