"""The outermost layer of the gateway: a request's id, its log line, its metrics, its last resort.

Plain ASGI: a wrapper class per request would cost more than everything else here.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import UNMATCHED, Metrics
from deckwatch_gateway.problems import INTERNAL_DETAIL, MEDIA_TYPE, problem_body
from deckwatch_gateway.traces import Trace, Traces

# What callers may choose as X-Request-ID: it goes into logs, headers and JSON as it is.
SANE_ID = re.compile(rb"[A-Za-z0-9_.-]{1,128}")

# Answered many times a minute by probes and scrapers; logged only at level debug.
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
# One look at the page asks for some forty files.
PAGE_FILES = "/page/{version}/{name}"


STOPPING_DETAIL = "The gateway is stopping and could not finish this in time. Try again shortly."


class Observe:
    """ASGI middleware; goes around everything else."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or pass a lifespan through)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity = _request_id(scope["headers"])
        scope["deckwatch.request_id"] = identity.decode()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=scope["deckwatch.request_id"])
        if scope["path"] in QUIET_ROUTES:
            await self._answer(scope, receive, send, identity, None)
            return
        with self._traces.request(scope) as trace:
            if trace is not None and trace.trace_id:
                structlog.contextvars.bind_contextvars(trace_id=trace.trace_id)
            await self._answer(scope, receive, send, identity, trace)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, identity: bytes, trace: Trace | None
    ) -> None:
        begun = time.perf_counter()
        status = 0

        async def send_signed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = list(message.get("headers", ()))
                message["headers"] = [*given, (b"x-request-id", identity)]
                # Results are for the caller alone; what may be kept says so itself.
                if all(name != b"cache-control" for name, _ in given):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        self._metrics.requests_open.inc()
        try:
            await self._app(scope, receive, send_signed)
        except asyncio.CancelledError:
            # Only a shutdown that waited long enough cancels a request.
            if status:
                raise
            await _answer(scope, send_signed, 503, "shutting-down", STOPPING_DETAIL)
        except Exception:
            log.exception("failed")
            if status:  # half an answer is out; the server closes the connection
                raise
            await _answer(scope, send_signed, 500, "internal-error", INTERNAL_DETAIL)
        finally:
            self._metrics.requests_open.dec()
            self._note(scope, status, time.perf_counter() - begun, trace)

    def _note(self, scope: Scope, status: int, seconds: float, trace: Trace | None) -> None:
        route = getattr(scope.get("route"), "path", UNMATCHED)
        code = scope.get("deckwatch.code")
        key = scope.get("deckwatch.key")  # its name, never the key itself
        client = scope["client"][0] if scope["client"] else None
        self._metrics.count(route, scope["method"], status, code, seconds)
        write = log.debug if route in QUIET_ROUTES or route == PAGE_FILES else log.info
        facts = {name: value for name, value in (("code", code), ("key", key)) if value is not None}
        write(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            client=client,
            **facts,
        )
        if trace is not None:
            trace.end(
                {
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                    "url.scheme": scope["scheme"],
                    "client.address": client,
                    "error.type": code,
                    "deckwatch.request_id": scope["deckwatch.request_id"],
                    "deckwatch.key": key,
                }
            )


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The caller's X-Request-ID where it is sane, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and SANE_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex.encode()


async def _answer(scope: Scope, send: Send, status: int, code: str, detail: str) -> None:
    """A problem+json answer where no framework is left to give one; closes the connection."""
    scope["deckwatch.code"] = code
    body = problem_body(status, code, detail, scope["deckwatch.request_id"])
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
