"""Traces by OpenTelemetry: sent in the background, and given up where nobody takes them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope
from typing_extensions import override

from deckwatch_client.backends import is_loopback
from deckwatch_client.version import installed_version
from deckwatch_gateway.logs import log
from deckwatch_gateway.settings import Settings
from deckwatch_gateway.traces import Call

# One attempt to deliver a batch, and the last of all when the gateway stops.
EXPORT_TIMEOUT_S = 5.0
FLUSH_S = 2.0

_W3C = TraceContextTextMapPropagator()
_FROM_CALLERS = ("traceparent", "tracestate")


class Telemetry:
    """Makes traces as `settings` say and sends them to the collector."""

    def __init__(self, settings: Settings) -> None:
        self._join_callers = settings.trace_callers
        self._exporter = _Exporter(settings.otlp_endpoint)
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.trace_share)),
            resource=_resource(),
            shutdown_on_exit=False,
        )
        # Full queues drop spans and never hold anybody up.
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("deckwatch_gateway")
        # `_Exporter` says once what these say with every batch.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def begin(self, scope: Scope) -> RequestTrace:
        """The trace of one request, joined to its caller's or linked to it."""
        given = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name.decode("latin-1") in _FROM_CALLERS
        }
        parent = _W3C.extract(given, contexts.Context())
        links = []
        if not self._join_callers:
            theirs = otel.get_current_span(parent).get_span_context()
            links = [otel.Link(theirs)] if theirs.is_valid else []
            parent = contexts.Context()
        span = self._tracer.start_span(
            scope["method"], parent, kind=otel.SpanKind.SERVER, links=links
        )
        return RequestTrace(self._tracer, span)

    @contextmanager
    def work(self, name: str, facts: Mapping[str, str | int]) -> Iterator[RequestTrace]:
        """The trace of work that no request waits for."""
        span = self._tracer.start_span(
            name, contexts.Context(), kind=otel.SpanKind.CONSUMER, attributes=facts
        )
        try:
            yield RequestTrace(self._tracer, span)
        finally:
            span.end()

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)
        if ending.is_alive():
            self._exporter.give_up()
            ending.join(FLUSH_S)


class RequestTrace:
    """The trace of one request, see `deckwatch_gateway.traces.Trace`."""

    def __init__(self, tracer: otel.Tracer, span: otel.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = otel.set_span_in_context(span, contexts.Context())
        found = span.get_span_context()
        self.trace_id = otel.format_trace_id(found.trace_id) if span.is_recording() else ""

    def past(self, name: str, seconds: float) -> None:
        """Note a stage of so many seconds that ended now."""
        end = time.time_ns()
        begun = end - round(seconds * 1e9)
        self._tracer.start_span(name, self._context, start_time=begun).end(end)

    @contextmanager
    def calling(self, name: str) -> Iterator[Call]:
        """Note a call, with its error if it ends with one."""
        span = self._tracer.start_span(name, self._context, kind=otel.SpanKind.CLIENT)
        call = Call(_headers(span))
        try:
            yield call
        except BaseException as error:
            # Not its text: that may name addresses and files.
            span.set_attribute("error.type", getattr(error, "code", type(error).__name__))
            span.set_status(otel.StatusCode.ERROR)
            raise
        finally:
            span.set_attributes(call.facts)
            span.end()

    def end(self, facts: Mapping[str, str | int | None]) -> None:
        """The request was answered; its route and method are its name."""
        self._span.update_name(f"{facts['http.request.method']} {facts['http.route']}")
        self._span.set_attributes({name: fact for name, fact in facts.items() if fact is not None})
        if int(facts["http.response.status_code"] or 0) >= 500:
            self._span.set_status(otel.StatusCode.ERROR)
        self._span.end()


class _Exporter(SpanExporter):
    """OTLP over gRPC that says once when the collector is away, and once when it is back."""

    def __init__(self, endpoint: str) -> None:
        host = urlsplit(endpoint).netloc
        options = (("grpc.enable_http_proxy", int(not is_loopback(host))),)
        self._otlp = OTLPSpanExporter(
            endpoint,
            timeout=EXPORT_TIMEOUT_S,
            channel_options=options,  # type: ignore[arg-type]
        )
        self._well = True

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._otlp.export(spans)
        well = result is SpanExportResult.SUCCESS
        if well is not self._well:
            self._well = well
            if well:
                log.info("traces are taken again")
            else:
                log.warning("traces are lost: the collector cannot be reached or refuses them")
        return result

    @override
    def shutdown(self) -> None:
        self.give_up()

    def give_up(self) -> None:
        """End an attempt that is under way."""
        self._otlp.shutdown()


def _headers(span: otel.Span) -> dict[str, str] | None:
    """What tells another server of a span; None where it is not recorded.

    Triton traces every request that comes with a context, even one that says "not sampled". And it
    reads the first version of the standard, which knows one flag alone: `03`, sampled and of random
    id, it takes for nonsense.
    """
    if not span.is_recording():
        return None
    headers: dict[str, str] = {}
    _W3C.inject(headers, otel.set_span_in_context(span, contexts.Context()))
    headers["traceparent"] = headers["traceparent"][:-2] + "01"
    return headers


def _resource() -> Resource:
    named = {SERVICE_VERSION: installed_version()}
    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say would be overridden by ours.
    if not os.environ.get("OTEL_SERVICE_NAME") and SERVICE_NAME not in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    ):
        named[SERVICE_NAME] = "deckwatch-gateway"
    return Resource.create(named)
