"""The routes that Camio calls. Answers are plain text, word for word as its own example gives them.

The secret is in the path; routes are logged and counted by their template, so it goes nowhere.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response

from deckwatch_gateway.access import Access, caller
from deckwatch_gateway.camio import documentation
from deckwatch_gateway.camio.event import CamioEventError, Event, event_id, parse_event
from deckwatch_gateway.camio.exchange import Desk, Exchange
from deckwatch_gateway.camio.metrics import Received
from deckwatch_gateway.camio.store import PENDING, Arrival, Entry, iso_time
from deckwatch_gateway.keys import Key
from deckwatch_gateway.logs import log
from deckwatch_gateway.problems import ProblemError
from deckwatch_gateway.responses import json_response
from deckwatch_vision.errors import ImageTooLarge, QueueUnavailable, ServerOverloaded

OK = "ok"
WRONG_KEY = "Invalid API Key"
FULL = "The queue of events is full. Send the event again later."
UNAVAILABLE = "The queue of events is away at the moment. Send the event again later."
BUSY = "Too much is being received at the moment. Send the event again later."
# What is larger is parsed in a thread; to start one costs more than parsing something small.
SMALL_BYTES = 16 * 1024
LISTED = 1000


async def post_event(request: Request) -> Response:
    """Take an event in; it is on disk before it is answered."""
    try:
        key, desk = _admit(request)
    except ProblemError as error:
        return _refuse(request, "wrong-key", error.status, error.detail, error.headers)
    try:
        async with desk.bodies.read(request) as body:
            return await _take(request, desk, key, body)
    except ImageTooLarge:
        limit = f"{desk.max_bytes:,}"
        text = f"The event has more than {limit} bytes. Send it in parts, or smaller pictures."
        return _refuse(request, "malformed", 413, text)
    except ProblemError as error:
        return _refuse(request, "malformed", error.status, error.detail, error.headers)
    except ServerOverloaded:
        return _refuse(request, "unavailable", 503, BUSY)


async def list_events(request: Request) -> Response:
    """The events of this key that wait."""
    try:
        key, desk = _admit(request)
    except ProblemError as error:
        return _refuse(request, "wrong-key", error.status, error.detail, error.headers)
    try:
        entries = await desk.store.entries(PENDING, key_name=key.name, limit=LISTED)
    except QueueUnavailable as error:
        log.warning("queue", reason=str(error))
        return _refuse(request, "unavailable", 503, UNAVAILABLE)
    return json_response({"events": [_shown(entry) for entry in entries]})


async def post_without_key(request: Request) -> Response:
    """No key is a wrong one."""
    return _refuse(request, "wrong-key", 400, WRONG_KEY)


async def health() -> Response:
    """That the hooks are there at all."""
    return Response(OK, media_type="text/plain")


def add_camio_routes(app: FastAPI) -> None:
    """Hang the routes under `app`, with their documentation."""
    for path, method, endpoint, described in (
        ("/tasks/", "GET", health, documentation.HEALTH),
        ("/tasks/", "POST", post_without_key, documentation.POST_WITHOUT_KEY),
        # A key may have a slash in it.
        ("/tasks/{api_key:path}", "POST", post_event, documentation.POST),
        ("/tasks/{api_key:path}", "GET", list_events, documentation.LIST),
    ):
        app.add_api_route(path, endpoint, methods=[method], response_model=None, **described)
    app.add_api_route("/tasks", health, methods=["GET"], include_in_schema=False)


def _admit(request: Request) -> tuple[Key, Desk]:
    """Whose key it is. Raises ProblemError 400 for a wrong one, 429 for too many of them."""
    # Not by FastAPI's parameters: those bring an answer 422 that there never is.
    presented: str = request.path_params["api_key"]
    access: Access = request.app.state.parts.access
    exchange: Exchange = request.app.state.parts.camio
    access.check_attempts(request)
    key, desk = exchange.key(presented), exchange.desk
    if key is not None and desk is not None:
        return key, desk
    if exchange.guesses.is_new(caller(request), presented):
        access.wrong_key(request)
    raise ProblemError(400, "camio-wrong-key", WRONG_KEY)


async def _take(request: Request, desk: Desk, key: Key, body: bytes) -> Response:
    metrics = request.app.state.parts.camio.metrics
    try:
        read = await _read(body, desk.max_images, key.name)
    except CamioEventError as error:
        return _refuse(request, "malformed", 400, error.reason)
    if read is None:
        metrics.events["empty"].inc()
        return Response(OK, media_type="text/plain")
    event, identity = read
    if reason := desk.callbacks.check(event.callback_url):
        return _refuse(request, "refused", 400, reason)
    arrival = Arrival(
        id=identity,
        key_name=key.name,
        camera=event.camera,
        images=len(event.images),
        callback_url=event.callback_url,
        body=body,
    )
    try:
        put = await desk.store.put(arrival, desk.limits)
    except QueueUnavailable as error:
        log.error("event not taken", event_id=identity, reason=str(error))
        return _refuse(request, "unavailable", 503, UNAVAILABLE)
    if put == "full":
        return _refuse(request, "full", 503, FULL)
    desk.worker.wake()
    metrics.events[put].inc()
    log.info(
        "event received", event_id=identity, key=key.name, camera=event.camera,
        images=len(event.images), outcome=put,
    )  # fmt: skip
    return Response(OK, media_type="text/plain")


async def _read(body: bytes, max_images: int, key_name: str) -> tuple[Event, str] | None:
    """The event and its id, read beside the event loop where it is large."""

    def read() -> tuple[Event, str] | None:
        event = parse_event(body, max_images=max_images)
        return None if event is None else (event, event_id(event, key_name))

    return read() if len(body) <= SMALL_BYTES else await asyncio.to_thread(read)


def _refuse(
    request: Request,
    outcome: Received,
    status: int,
    text: str,
    headers: dict[str, str] | None = None,
) -> Response:
    parts = request.app.state.parts
    parts.camio.metrics.events[outcome].inc()
    request.scope["deckwatch.code"] = f"camio-{outcome}"
    retry = {"Retry-After": str(parts.retry_after_s)} if status == 503 else {}
    return Response(text, status, headers={**retry, **(headers or {})}, media_type="text/plain")


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "camera": entry.camera,
        "images": entry.images,
        "state": entry.state,
        "received_at": iso_time(entry.received_at),
        "attempts": entry.attempts,
        "due_at": iso_time(entry.due_at),
        "reason": entry.reason,
    }
