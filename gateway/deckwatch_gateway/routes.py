"""The routes of the gateway. What they answer is described in `deckwatch_gateway.openapi`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response

from deckwatch_gateway import openapi
from deckwatch_gateway.access import Access
from deckwatch_gateway.admission import Gate
from deckwatch_gateway.body import BodyReader
from deckwatch_gateway.camio.exchange import Exchange
from deckwatch_gateway.camio.routes import add_camio_routes
from deckwatch_gateway.guarded import add_guarded_route
from deckwatch_gateway.keeping import Keeping
from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.multipart import Upload, is_multipart, parse_upload
from deckwatch_gateway.overlay import Overlay
from deckwatch_gateway.page import add_page
from deckwatch_gateway.problems import NOT_READY, problem
from deckwatch_gateway.readiness import Readiness
from deckwatch_gateway.recognition import Recognition
from deckwatch_gateway.release_route import ReleaseRoute, add_release_route
from deckwatch_gateway.responses import encode_json, json_response
from deckwatch_serving.keep.record import Origin
from deckwatch_vision.errors import DeckwatchError

Verbose = Annotated[
    bool, Query(description="Every class with its likelihood, the most likely first.")
]
Drawn = Annotated[
    bool, Query(description="Answer with a JPEG of the photograph, its fish outlined and named.")
]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; made when the application starts, at `app.state.parts`."""

    gate: Gate
    bodies: BodyReader
    recognition: Recognition
    overlay: Overlay
    readiness: Readiness
    release: ReleaseRoute
    metrics: Metrics
    keeping: Keeping
    access: Access
    camio: Exchange
    retry_after_s: int


async def _origin(
    vessel: Annotated[str | None, Query(description="The vessel, for the record.")] = None,
    camera: Annotated[str | None, Query(description="Its camera, for the record.")] = None,
    captured_at: Annotated[
        str | None, Query(description="When it was taken, ISO 8601, for the record.")
    ] = None,
) -> Origin:
    # `async`, or FastAPI would call it in a thread.
    return Origin.of(vessel, camera, captured_at)


From = Annotated[Origin, Depends(_origin)]


async def classifyfish(request: Request, origin: From, verbose: Verbose = False) -> Response:
    """The label of the photograph in the body."""
    parts: Parts = request.app.state.parts
    parts.gate.check()
    begun = time.perf_counter()
    async with parts.bodies.read(request) as picture:
        parts.metrics.stages["body"].observe(time.perf_counter() - begun)
        parts.recognition.check(picture)
        async with parts.gate.enter(request.receive) as turn:
            result = await parts.recognition.recognise(
                request, picture, waited_s=turn.waited_s, camera=origin.camera
            )
    answer = json_response(result.pairs() if verbose else [result.label])
    answer.background = parts.keeping.afterwards(picture, result, origin)
    return answer


async def classify(request: Request, origin: From, overlay: Drawn = False) -> Response:
    """The fish in the photograph in the body or in its form."""
    parts: Parts = request.app.state.parts
    parts.gate.check()
    begun = time.perf_counter()
    async with parts.bodies.read(request) as body:
        content_type = request.headers.get("content-type", "")
        multipart = is_multipart(content_type)
        upload = parse_upload(body, content_type) if multipart else Upload(body)
        parts.metrics.stages["body"].observe(time.perf_counter() - begun)
        parts.recognition.check(upload.picture)
        async with parts.gate.enter(request.receive) as turn:
            result = await parts.recognition.recognise(
                request,
                upload.picture,
                upload.file,
                waited_s=turn.waited_s,
                camera=origin.camera,
            )
            if overlay:
                begun = time.perf_counter()
                drawn = await parts.overlay.jpeg(upload.picture, result)
                parts.metrics.stages["overlay"].observe(time.perf_counter() - begun)
                answer = Response(drawn, media_type="image/jpeg")
            else:
                answer = json_response(result.as_dict())
    answer.background = parts.keeping.afterwards(upload.picture, result, origin)
    return answer


async def healthz() -> Response:
    """The process answers: that is all it says."""
    return json_response({"status": "alive"})


async def readyz(request: Request) -> Response:
    """Whether a picture can be recognised now."""
    parts: Parts = request.app.state.parts
    try:
        release = await parts.readiness.check()
    except DeckwatchError as error:
        # Whatever it is that is missing, a prober is told 503; the reason is in the log.
        retry = {"Retry-After": str(parts.retry_after_s)}
        log.debug("not ready", code=error.code, reason=str(error))
        return problem(request, 503, "not-ready", NOT_READY, retry)
    return json_response(
        {"status": "ready", "release": {"name": release.name, "version": release.version}}
    )


async def metrics(request: Request) -> Response:
    """What Prometheus scrapes."""
    parts: Parts = request.app.state.parts
    body, content_type = parts.metrics.exposition(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": content_type})


async def openapi_document(request: Request) -> Response:
    """What `deckwatch_gateway.openapi` describes."""
    state = request.app.state
    if not hasattr(state, "openapi_body"):  # 24 kB take milliseconds to encode
        state.openapi_body = encode_json(request.app.openapi())
    return Response(state.openapi_body, media_type="application/json")


def add_routes(app: FastAPI) -> None:
    """Hang every route under `app`, with its documentation."""
    add_guarded_route(app, "/classifyfish", "POST", classifyfish, "classify", openapi.CLASSIFYFISH)
    add_guarded_route(app, "/v1/classify", "POST", classify, "classify", openapi.CLASSIFY)
    add_guarded_route(app, "/metrics", "GET", metrics, "metrics", openapi.METRICS)
    for path, method, endpoint, documentation in (
        ("/healthz", "GET", healthz, openapi.HEALTHZ),
        ("/readyz", "GET", readyz, openapi.READYZ),
    ):
        app.add_api_route(path, endpoint, methods=[method], response_model=None, **documentation)
    add_release_route(app)
    add_page(app)
    add_camio_routes(app)
    # Not by FastAPI's own `openapi_url`: that route has no template to count it under.
    app.add_api_route("/openapi.json", openapi_document, include_in_schema=False)
