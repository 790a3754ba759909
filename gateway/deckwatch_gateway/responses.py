"""Answers that several routes give: JSON made by hand, and "you have it already"."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fastapi import Request, Response

from deckwatch_gateway.lists import split_list


def json_response(content: object, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as compact JSON."""
    return Response(
        encode_json(content), headers=dict(headers or {}), media_type="application/json"
    )


def encode_json(content: object) -> bytes:
    """`content` as compact JSON, in UTF-8."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def not_modified(request: Request, tag: str) -> bool:
    """Whether the caller's If-None-Match names `tag`, an ETag with its quotes."""
    given = split_list(request.headers.get("if-none-match", ""))
    return "*" in given or any(each.removeprefix("W/") == tag for each in given)
