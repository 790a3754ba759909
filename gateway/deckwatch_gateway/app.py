"""The FastAPI application: the parts put together, from the settings.

app = create_app(Settings(triton="grpc://127.0.0.1:8001"))
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from deckwatch_client.backends import AsyncTriton
from deckwatch_client.version import installed_version
from deckwatch_gateway import openapi
from deckwatch_gateway.access import Access
from deckwatch_gateway.admission import Gate, HeldBytes
from deckwatch_gateway.admission_metrics import AdmissionMetrics
from deckwatch_gateway.body import BodyReader
from deckwatch_gateway.camio.exchange import Exchange
from deckwatch_gateway.headers import SecurityHeaders
from deckwatch_gateway.keeping import Keeping
from deckwatch_gateway.lists import split_list
from deckwatch_gateway.loopback import is_loopback
from deckwatch_gateway.metrics import Metrics
from deckwatch_gateway.observe import Observe
from deckwatch_gateway.overlay import Overlay
from deckwatch_gateway.problems import exception_handlers
from deckwatch_gateway.proxies import Proxies, parse_networks
from deckwatch_gateway.readiness import Readiness
from deckwatch_gateway.recognition import Recognition
from deckwatch_gateway.release_route import ReleaseRoute
from deckwatch_gateway.routes import Parts, add_routes
from deckwatch_gateway.servers import open_servers
from deckwatch_gateway.settings import Settings
from deckwatch_gateway.site import OwnSite
from deckwatch_gateway.traces import Traces


def create_app(settings: Settings) -> FastAPI:
    """The gateway as an ASGI application; it connects to Triton when its lifespan starts.

    Raises UsageError when pictures are to be kept where they cannot be, when keys are malformed,
    or when Camio's queue cannot be used.
    """
    metrics = Metrics(cameras=settings.metrics_cameras)
    traces = Traces(settings)
    keeping = Keeping(settings, metrics)
    camio = Exchange(settings, metrics)
    admission = AdmissionMetrics(metrics.registry)
    access = Access(settings, admission)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Here and not above: the gRPC channel belongs to the event loop that serves.
        async with open_servers(settings, metrics.registry) as triton:
            parts = _assemble(settings, triton, metrics, keeping, camio, access, admission)
            keeping.start()
            traces.start()
            await camio.start(parts, triton.known, traces)
            app.state.parts = parts
            warming = asyncio.create_task(parts.readiness.keep_trying())
            yield
            await camio.close()
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await parts.readiness.close()
            await asyncio.to_thread(keeping.close)
            await asyncio.to_thread(traces.close)

    app = FastAPI(
        title=openapi.TITLE,
        description=openapi.DESCRIPTION,
        version=installed_version(),
        lifespan=lifespan,
        exception_handlers=exception_handlers(settings.retry_after_s),
        # FastAPI's documentation pages load scripts from elsewhere; a ship has no elsewhere.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would be made from the Host header, and post the photograph twice.
        redirect_slashes=False,
    )
    app.state.admission_metrics = admission
    # The one added last is the outermost.
    app.add_middleware(OwnSite, names=_names(settings))
    app.add_middleware(Observe, metrics=metrics, traces=traces)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Proxies, trusted=parse_networks(settings.trusted_proxies))
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    add_routes(app)
    return app


def _assemble(
    settings: Settings,
    triton: AsyncTriton,
    metrics: Metrics,
    keeping: Keeping,
    camio: Exchange,
    access: Access,
    admission: AdmissionMetrics,
) -> Parts:
    gate = Gate(
        max_in_flight=settings.max_in_flight,
        max_queued=settings.max_queued,
        max_wait_s=min(settings.max_wait_s, settings.triton_timeout_s),
        metrics=admission,
    )
    held = HeldBytes(settings.max_held_bytes, admission)
    metrics.in_flight.set_function(lambda: gate.in_flight)
    metrics.in_flight_limit.set_function(lambda: gate.limit)
    metrics.held_bytes.set_function(lambda: held.held)
    readiness = Readiness(triton, metrics)
    return Parts(
        gate=gate,
        bodies=BodyReader(
            max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s, held=held
        ),
        recognition=Recognition(
            triton,
            metrics,
            max_pixels=settings.max_pixels,
            timeout_s=settings.triton_timeout_s,
            doubt=readiness.doubt,
        ),
        overlay=Overlay(max_pixels=settings.max_pixels),
        readiness=readiness,
        release=ReleaseRoute(readiness, settings),
        metrics=metrics,
        keeping=keeping,
        camio=camio,
        access=access,
        retry_after_s=settings.retry_after_s,
    )


def _names(settings: Settings) -> frozenset[str] | None:
    """The host names that requests may have; None for any."""
    given = {name.lower().rstrip(".") for name in split_list(settings.hosts)} - {""}
    if given or (is_loopback(settings.host) and not settings.asks_for_keys):
        return frozenset({settings.host.lower(), *given})
    return None
