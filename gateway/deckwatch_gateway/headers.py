"""The headers that every answer carries, so that a browser does nothing with it but show it."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HALF_A_YEAR_S = 180 * 24 * 3600

# What an answer says itself wins: the page has a policy of its own.
ALWAYS = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
# Only over TLS: said in the clear it could be anybody's, and browsers pass it over.
OVER_TLS = (b"strict-transport-security", b"max-age=%d" % HALF_A_YEAR_S)


class SecurityHeaders:
    """ASGI middleware; goes around what answers, faults included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the headers of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name for name, _ in headers}
                usual = (*ALWAYS, OVER_TLS) if scope["scheme"] == "https" else ALWAYS
                headers.extend(each for each in usual if each[0] not in there)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_headers)
