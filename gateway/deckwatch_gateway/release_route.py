"""`GET /v1/release`: what is served now, in full, and what a picture may be.

Enough for a page or a client to name species, to show where the model may be trusted, and to
refuse a file before it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import FastAPI, Request, Response

from deckwatch_client.ensemble import Served
from deckwatch_gateway import examples, openapi
from deckwatch_gateway.guarded import add_guarded_route
from deckwatch_gateway.logs import log
from deckwatch_gateway.problems import NOT_READY, problem
from deckwatch_gateway.readiness import Readiness
from deckwatch_gateway.release_schema import EXAMPLE
from deckwatch_gateway.responses import encode_json, not_modified
from deckwatch_gateway.settings import Settings
from deckwatch_vision.errors import DeckwatchError
from deckwatch_vision.formats import FORMATS
from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS
from deckwatch_vision.species import Species

# A Triton that hangs is told apart from one that is slow by nobody who waits on a page.
PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class _Page:
    """The body for one release, made once."""

    served: Served
    body: bytes
    tag: str


class ReleaseRoute:
    """Answers from memory as long as `readiness` sees the same release."""

    def __init__(self, readiness: Readiness, settings: Settings) -> None:
        self._readiness = readiness
        # The nets refuse more than these, whatever the gateway would let through.
        self._limits = {
            "max_body_bytes": min(settings.max_body_bytes, MAX_BYTES),
            "max_pixels": min(settings.max_pixels, MAX_PIXELS),
        }
        self._retry = {"Retry-After": str(settings.retry_after_s)}
        self._page: _Page | None = None

    async def answer(self, request: Request) -> Response:
        """The release that answers now; 503 when there is none."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                served = await self._readiness.served()
        except (DeckwatchError, TimeoutError) as error:
            log.debug("no release", reason=str(error))
            return problem(request, 503, "not-ready", NOT_READY, self._retry)
        if self._page is None or self._page.served != served:
            body = encode_json(describe(served, self._limits))
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            self._page = _Page(served, body, tag)
        headers = {"ETag": self._page.tag, "Cache-Control": "no-cache"}
        if not_modified(request, self._page.tag):
            return Response(status_code=304, headers=headers)
        return Response(self._page.body, headers=headers, media_type="application/json")


def describe(served: Served, limits: dict[str, int]) -> dict[str, Any]:
    """The answer's content. A release that was published without species has only their codes."""
    species = served.species or tuple(
        Species(code, code, None, None, None, sensitive=False) for code in served.labels
    )
    return {
        "name": served.release.name,
        "version": served.release.version,
        "labels": [asdict(each) for each in species],
        "model_card": served.model_card,
        **limits,
        "formats": [
            {
                "name": each.title,
                "media_type": each.media_type,
                "signatures": list(each.signatures),
            }
            for each in FORMATS.values()
        ],
    }


async def release(request: Request) -> Response:
    """The release that answers now."""
    found: ReleaseRoute = request.app.state.parts.release
    return await found.answer(request)


RELEASE: dict[str, Any] = {
    "summary": "The release that answers, and what a picture may be",
    "description": (
        "Name and version, the classes in full, the model card, the limits and the formats. "
        "The ETag changes with the release."
    ),
    "openapi_extra": examples.samples(release="curl $BASE/v1/release"),
    "responses": {
        200: openapi.json_answer(
            "The release.", {"$ref": "#/components/schemas/ServedRelease"}, shortened=EXAMPLE
        ),
        304: {"description": "The caller has it already (If-None-Match)."},
        503: openapi.problem_answer("There is none at the moment; see Retry-After.", 503),
    },
}


def add_release_route(app: FastAPI) -> None:
    """Hang `GET /v1/release` under `app`."""
    add_guarded_route(app, "/v1/release", "GET", release, "classify", RELEASE)
