"""Requests that a foreign web page makes with its visitor's browser, and which are refused.

Two ways lead from any page on the internet to a gateway on its visitor's machine, where callers
need no key. The page may have its own name resolve to 127.0.0.1 (DNS rebinding): then the Host
header shows that name. Or it may post a form: then the browser says so in Sec-Fetch-Site or
Origin. Programs send neither.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deckwatch_gateway.problems import problem
from deckwatch_gateway.proxies import parse_address

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = frozenset({"same-origin", "none"})  # `none`: typed by the user


class OwnSite:
    """ASGI middleware that refuses such requests.

    `names` are the host names under which the gateway is called; None takes any. Addresses and
    localhost are always right, because nobody can have these resolve to somewhere else.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        answer = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        hosts = request.headers.getlist("host")
        if len(hosts) > 1 or (not hosts and request.scope["http_version"] == "1.1"):
            return problem(
                request,
                400,
                "malformed-request",
                "A request has one Host header; see RFC 9112, section 3.2.",
                {"Connection": "close"},
            )
        host = hosts[0] if hosts else ""
        if self._names is not None and host and not self._is_ours(host):
            return problem(
                request,
                421,
                "misdirected-request",
                "This gateway is not called by that name. Call it by its address or as localhost, "
                "or let its operator add the name to DECKWATCH_HOSTS.",
            )
        if request.method not in SAFE_METHODS and not _from_own_page(request, host):
            return problem(
                request,
                403,
                "cross-site-request",
                "A web page of another site may not send pictures here with its visitor's "
                "browser. Use the gateway's own page, or a program.",
            )
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return (
            name == "localhost"
            or name.endswith(".localhost")
            or parse_address(host) is not None
            or name in (self._names or ())
        )


def _from_own_page(request: Request, host: str) -> bool:
    """Whether a request that changes something comes from our own page, or from no page."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN
    # Browsers leave Sec-Fetch-Site out towards plain http beyond this machine.
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _name(host: str) -> str:
    """A Host header's name, without its port and a last dot."""
    return host.lower().rpartition(":")[0 if ":" in host else 2].rstrip(".")
