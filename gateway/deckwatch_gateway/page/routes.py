"""The routes of the web page: `/` for browsers (programs get links there), and its files."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from deckwatch_gateway import examples, openapi
from deckwatch_gateway.observe import PAGE_FILES
from deckwatch_gateway.page.assets import ASSETS, PAGE, VERSION, Asset
from deckwatch_gateway.page.negotiation import prefers, quality
from deckwatch_gateway.responses import json_response, not_modified

# Only files of our own run, only our own gateway is called, and markup from strings is refused
# by the browser itself. blob: is the photograph just chosen, data: nothing that can run.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

LINKS = {
    "name": "deckwatch",
    "links": {
        "page": "/",
        "recognise": "/v1/classify",
        "classifyfish": "/classifyfish",
        "release": "/v1/release",
        "documentation": "/openapi.json",
        "alive": "/healthz",
        "ready": "/readyz",
        "metrics": "/metrics",
    },
}
INDEX: dict[str, Any] = {
    "summary": "The web page; to programs, where things are",
    "description": "Browsers, which ask for text/html, get the page; everybody else links.",
    "openapi_extra": examples.samples(links="curl $BASE/"),
    "responses": {
        200: {
            "description": "The page, or links.",
            "content": {
                "application/json": {
                    "schema": openapi.FREE_OBJECT,
                    "examples": {"links": {"value": LINKS}},
                },
                "text/html": {"schema": {"type": "string"}},
            },
        },
        304: {"description": "The browser has the page already (If-None-Match)."},
    },
}


async def index(request: Request) -> Response:
    """The page for whoever prefers HTML, else links."""
    if prefers(request.headers.get("accept"), "text/html", "application/json"):
        return _send(request, PAGE, ASK_AGAIN, vary="Accept, Accept-Encoding")
    return json_response(LINKS, {"Vary": "Accept"})


async def asset(request: Request, version: str, name: str) -> Response:
    """One file of the page."""
    found = ASSETS.get(name)
    if found is None:
        raise HTTPException(404)
    # While gateways of two versions share the work, the page of one may ask the other.
    caching = FOREVER if version == VERSION else ASK_AGAIN
    return _send(request, found, caching, vary="Accept-Encoding")


def add_page(app: FastAPI) -> None:
    """Hang the page and its files under `app`."""
    app.add_api_route("/", index, methods=["GET"], response_model=None, **INDEX)
    # Who watches whether a site is up asks with HEAD; the server leaves the body out.
    app.add_api_route("/", index, methods=["HEAD"], response_model=None, include_in_schema=False)
    app.add_api_route(
        PAGE_FILES, asset, methods=["GET", "HEAD"], response_model=None, include_in_schema=False
    )


def _send(request: Request, sent: Asset, caching: str, vary: str) -> Response:
    compressed = quality(request.headers.get("accept-encoding"), "gzip") > 0
    # A strong tag names bytes, so each encoding has its own.
    tag = f'"{sent.tag}-gzip"' if compressed else f'"{sent.tag}"'
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Cache-Control": caching,
        "ETag": tag,
        "Vary": vary,
    }
    if not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    body = sent.compressed if compressed else sent.content
    return Response(body, headers={**headers, "Content-Type": sent.media_type})
