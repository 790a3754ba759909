"""Errors as HTTP answers: the one place that turns an exception into problem+json (RFC 9457).

Every error body has the same members:

    {"type": "urn:deckwatch:problem:broken-image", "title": "Broken image", "status": 422,
     "detail": "what was wrong and what to do", "instance": "the request's id",
     "code": "broken-image"}

`code` is the stable name to program against. A picture's own faults are told to the caller word
for word; what went wrong behind the gateway is logged, and the caller gets a fixed sentence
without addresses, paths or stack traces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from deckwatch_gateway.logs import log
from deckwatch_vision.errors import DeckwatchError, ImageError, ServerOverloaded

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:deckwatch:problem:"

# Nobody reads this answer: the caller is gone. nginx's number for it, for logs and metrics.
CLIENT_CLOSED_REQUEST = 499

PUBLIC_DETAILS = {
    "server-unavailable": "The recognition server cannot be reached. Try again shortly.",
    "server-overloaded": "Too many pictures are being recognised at the moment. Try again shortly.",
    "deadline-exceeded": "The recognition server took too long over this picture. Try again.",
}
SERVER_DETAIL = "The recognition server failed over this picture. Try again shortly."
INTERNAL_DETAIL = (
    "Something went wrong inside the gateway. Try again; if it stays, tell the operator the "
    "instance of this answer, which names the request in the logs."
)
NOT_READY = (
    "No picture can be recognised at the moment: the recognition server is starting, away or "
    "without a release, or the gateway is stopping."
)
HTTP_DETAILS = {
    404: "There is nothing at this address. GET / lists what there is.",
    405: "This address does not take that method; the Allow header lists those it takes.",
}


class ProblemError(Exception):
    """A request that is refused for its form, before any picture is looked at.

    `detail` says what was given, what was expected and what to do.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


class CallerGoneError(Exception):
    """The caller hung up before its answer was ready."""


def request_id(scope: Mapping[str, Any]) -> str:
    """The id that `deckwatch_gateway.observe` gave to this request."""
    return str(scope.get("deckwatch.request_id", ""))


def problem_body(status: int, code: str, detail: str, instance: str, **more: object) -> bytes:
    """The problem+json body, encoded."""
    title = code.replace("-", " ").capitalize()
    members = {
        "type": TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        **more,
    }
    return json.dumps(members, ensure_ascii=False).encode()


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """A problem+json answer to `request`; its code is noted for the log and the metrics."""
    request.scope["deckwatch.code"] = code
    body = problem_body(status, code, detail, request_id(request.scope), **more)
    return Response(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _deckwatch_error(request: Request, error: DeckwatchError, retry_after_s: int) -> Response:
    if isinstance(error, ImageError):
        return problem(request, error.status, error.code, _sentence(str(error)))
    # Under overload one line for each refused request is enough, and it is written anyway.
    write = log.debug if isinstance(error, ServerOverloaded) else log.warning
    write("refused", code=error.code, reason=str(error))
    if error.status not in (503, 504):
        return problem(request, 500, "internal-error", INTERNAL_DETAIL)
    headers = {}
    if error.status == 503:
        measured = getattr(error, "retry_after_s", None) or 0
        headers["Retry-After"] = str(max(retry_after_s, measured))
    detail = PUBLIC_DETAILS.get(error.code, SERVER_DETAIL)
    return problem(request, error.status, error.code, detail, headers)


def _sentence(message: str) -> str:
    """A message of ours, which begins small to stand behind a file's name, on its own feet."""
    return message[:1].upper() + message[1:].rstrip(".") + "."


def _http_error(request: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    detail = HTTP_DETAILS.get(error.status_code, f"{phrase}.")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem(request, error.status_code, code, detail, headers)


def _allowed(request: Request) -> list[str]:
    """The methods of an address; Starlette names only those of the first route that fits it."""
    fitting = (
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted({method for route in fitting for method in route.methods or ()})


def _invalid_parameters(request: Request, error: RequestValidationError) -> Response:
    faults = [
        {"in": str(found["loc"][0]), "name": str(found["loc"][-1]), "reason": str(found["msg"])}
        for found in error.errors()
    ]
    named = "; ".join(f"{fault['in']} parameter {fault['name']!r}" for fault in faults)
    detail = f"Not understood: {named}. See errors for what is expected."
    return problem(request, 422, "invalid-parameters", detail, errors=faults)


def exception_handlers(
    retry_after_s: int,
) -> dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]]:
    """The handlers for FastAPI's `exception_handlers`, by exception class."""

    async def deckwatch_error(request: Request, error: DeckwatchError) -> Response:
        return _deckwatch_error(request, error, retry_after_s)

    async def refused(request: Request, error: ProblemError) -> Response:
        return problem(request, error.status, error.code, error.detail, error.headers)

    async def gone(request: Request, _: CallerGoneError) -> Response:
        request.scope["deckwatch.code"] = "client-gone"
        return Response(status_code=CLIENT_CLOSED_REQUEST)

    async def http_error(request: Request, error: HTTPException) -> Response:
        return _http_error(request, error)

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _invalid_parameters(request, error)

    return {
        DeckwatchError: deckwatch_error,
        ProblemError: refused,
        CallerGoneError: gone,
        HTTPException: http_error,
        RequestValidationError: invalid,
    }
