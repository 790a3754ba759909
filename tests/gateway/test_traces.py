"""Traces, sent to a collector that speaks OTLP over gRPC, and onwards to Triton."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import structlog
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from structlog.testing import capture_logs

from tests.client.tritons import Triton, serving

from .conftest import DEADLINE_S, HungTriton, Running, wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
GIVEN = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "ship=deck7"}


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, or holds up whoever brings some."""

    address: str = ""
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    hold: threading.Event | None = None
    asked: int = 0

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.asked += 1
        if self.hold is not None:
            context.add_callback(self.hold.set)
            self.hold.wait(DEADLINE_S)
        for resource in request.resource_spans:
            for fact in resource.resource.attributes:
                if fact.key == "service.name":
                    self.services.add(fact.value.string_value)
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> Span:
        """The one span of this name, as soon as it arrived."""
        wait_for(lambda: any(span.name == name for span in self.spans))
        (found,) = (span for span in self.spans if span.name == name)
        return found


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")  # milliseconds
    server = grpc.server(ThreadPoolExecutor(4))
    collector = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(0).wait()


@dataclass
class Seen:
    """What a Triton was told of traces."""

    triton: Triton
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def seen() -> Iterator[Seen]:
    with serving(Triton()) as triton:
        seen = Seen(triton)

        def note(number: int, context: grpc.ServicerContext) -> None:
            seen.headers.append({key: str(value) for key, value in context.invocation_metadata()})

        triton.before = note
        yield seen


def facts(span: Span) -> dict[str, Any]:
    return {fact.key: fact.value.string_value or fact.value.int_value for fact in span.attributes}


def ready(gateway: Running) -> Running:
    wait_for(lambda: gateway.caller.metric("ready") == 1)
    return gateway


@pytest.fixture
def gateway(start_gateway: Callable[..., Running], collector: Collector, seen: Seen) -> Running:
    running = ready(start_gateway(triton=seen.triton.address, otlp_endpoint=collector.address))
    seen.headers.clear()
    return running


def test_a_request_is_a_tree_of_spans_that_reaches_triton(
    gateway: Running, collector: Collector, seen: Seen, jpeg: bytes
) -> None:
    headers = {"X-Request-ID": "trip-7"}
    gateway.caller.post("/v1/classify?camera=hush", content=jpeg, headers=headers)
    request = collector.named("POST /v1/classify")
    parts = {name: collector.named(name) for name in ("body", "queue", "header", "triton")}
    assert request.kind == Span.SPAN_KIND_SERVER
    assert parts["triton"].kind == Span.SPAN_KIND_CLIENT
    for span in parts.values():
        assert span.trace_id == request.trace_id
        assert span.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= span.start_time_unix_nano + 1_000_000
        assert span.end_time_unix_nano <= request.end_time_unix_nano
    assert facts(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/classify",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "deckwatch.request_id": "trip-7",
    }
    assert facts(parts["triton"])["deckwatch.release"] == "release 1 1"
    (told,) = seen.headers
    span = parts["triton"]
    assert told["traceparent"] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert collector.services == {"deckwatch-gateway"}
    assert "hush" not in str(collector.spans)


def test_a_stranger_s_trace_is_linked_to(
    gateway: Running, collector: Collector, seen: Seen, jpeg: bytes
) -> None:
    gateway.caller.post("/classifyfish", content=jpeg, headers=GIVEN)
    request = collector.named("POST /classifyfish")
    assert request.trace_id.hex() != TRACE
    assert request.parent_span_id == b""
    (link,) = request.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, PARENT)


@pytest.mark.parametrize("given", ["", "00-0-0-01", f"00-{TRACE}-{'0' * 16}-01", "x" * 9000])
def test_a_traceparent_that_is_none_is_ignored(
    gateway: Running, collector: Collector, jpeg: bytes, given: str
) -> None:
    headers = {"traceparent": given, "tracestate": given[:50]}
    assert gateway.caller.post("/classifyfish", content=jpeg, headers=headers).status_code == 200
    assert not collector.named("POST /classifyfish").links


def test_a_trusted_caller_s_trace_is_joined(
    start_gateway: Callable[..., Running], collector: Collector, seen: Seen, jpeg: bytes
) -> None:
    """Although of our own requests none would be traced."""
    gateway = ready(
        start_gateway(
            triton=seen.triton.address,
            otlp_endpoint=collector.address,
            trace_callers=True,
            trace_share=0,
        )
    )
    seen.headers.clear()
    gateway.caller.post("/v1/classify", content=jpeg)
    gateway.caller.post("/classifyfish", content=jpeg, headers=GIVEN)
    request = collector.named("POST /classifyfish")
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    untraced, traced = seen.headers
    assert "traceparent" not in untraced
    assert traced["traceparent"].startswith(f"00-{TRACE}-")
    assert traced["traceparent"].endswith("-01")
    assert traced["tracestate"] == "ship=deck7"
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


def test_errors_are_marked_and_carry_no_text(
    gateway: Running, collector: Collector, seen: Seen, jpeg: bytes
) -> None:
    seen.triton.refusal = (grpc.StatusCode.INTERNAL, "/opt/models/x.py broke")
    answer = gateway.caller.post("/classifyfish", content=jpeg)
    assert answer.status_code == 503
    request, call = collector.named("POST /classifyfish"), collector.named("triton")
    for span in (request, call):
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert facts(span)["error.type"] == "server-error"
    assert "/opt" not in str(collector.spans)


def test_a_refused_picture_is_no_error_of_ours(gateway: Running, collector: Collector) -> None:
    gateway.caller.post("/classifyfish", content=b"no picture")
    request = collector.named("POST /classifyfish")
    assert request.status.code == Status.STATUS_CODE_UNSET
    assert facts(request)["error.type"] == "unsupported-format"


def test_a_caller_that_hangs_up(
    start_gateway: Callable[..., Running],
    collector: Collector,
    hung_triton: HungTriton,
    jpeg: bytes,
) -> None:
    gateway = start_gateway(triton=hung_triton.address, otlp_endpoint=collector.address)
    with gateway.raw() as bare:
        head = (
            f"POST /classifyfish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        )
        bare.sendall(head.encode() + jpeg)
        wait_for(lambda: any(hung_triton.asked))  # not only the warming-up
    assert facts(collector.named("triton"))["error.type"] == "CancelledError"
    assert facts(collector.named("POST /classifyfish"))["http.response.status_code"] == 499


def test_paths_that_are_no_routes_do_not_get_into_traces(
    gateway: Running, collector: Collector
) -> None:
    gateway.caller.get("/hush-1?key=hush-2", headers={"Authorization": "Bearer hush-3"})
    collector.named("GET unmatched")
    assert "hush" not in str(collector.spans)


def test_probes_and_scrapes_are_not_traced(gateway: Running, collector: Collector) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        gateway.caller.get(path)
    gateway.caller.get("/nothing")
    collector.named("GET unmatched")
    assert {span.name for span in collector.spans} <= {"GET unmatched", "GET /openapi.json"}


def test_values_are_tied_to_traces(gateway: Running, collector: Collector, jpeg: bytes) -> None:
    gateway.caller.post("/v1/classify", content=jpeg)
    trace = collector.named("POST /v1/classify").trace_id.hex()
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    text = gateway.caller.get("/metrics", headers=headers).text
    for name in ('request_seconds_bucket{le="', 'stage_seconds_bucket{le="'):
        tied = [
            line for line in text.splitlines()
            if line.startswith(f"deckwatch_gateway_{name}") and f'trace_id="{trace}"' in line
        ]  # fmt: skip
        assert tied, name


def test_log_lines_name_the_trace(gateway: Running, collector: Collector, jpeg: bytes) -> None:
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        gateway.caller.post("/v1/classify", content=jpeg)
        trace = collector.named("POST /v1/classify").trace_id.hex()
    assert [line["trace_id"] for line in lines if line.get("route") == "/v1/classify"] == [trace]


def test_a_collector_that_is_away_costs_one_log_line(
    start_gateway: Callable[..., Running],
    seen: Seen,
    nowhere: str,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setattr("deckwatch_gateway.telemetry.EXPORT_TIMEOUT_S", 0.1)
    endpoint = nowhere.replace("grpc://", "http://")
    gateway = ready(start_gateway(triton=seen.triton.address, otlp_endpoint=endpoint))

    def lost() -> int:
        return sum(str(line["event"]).startswith("traces are lost") for line in lines)

    with capture_logs() as lines:
        gateway.caller.post("/classifyfish", content=jpeg)
        wait_for(lambda: lost() == 1)
        for _ in range(20):
            assert gateway.caller.post("/classifyfish", content=jpeg).status_code == 200
        gateway.server.stop()
        gateway.thread.join(DEADLINE_S)
    assert lost() == 1


def test_a_collector_that_hangs_holds_nobody_up(
    start_gateway: Callable[..., Running], collector: Collector, seen: Seen, jpeg: bytes
) -> None:
    """Neither callers nor the stopping: the fixture asserts that the gateway ends."""
    collector.hold = threading.Event()
    gateway = ready(start_gateway(triton=seen.triton.address, otlp_endpoint=collector.address))
    for _ in range(20):
        assert gateway.caller.post("/classifyfish", content=jpeg).status_code == 200
    wait_for(lambda: collector.asked > 0)
    gateway.server.stop()
    gateway.thread.join(DEADLINE_S)
    assert not gateway.thread.is_alive()
    wait_for(collector.hold.is_set)


def test_what_waits_is_sent_when_the_gateway_stops(
    start_gateway: Callable[..., Running],
    collector: Collector,
    seen: Seen,
    jpeg: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "deck-7")
    gateway = ready(start_gateway(triton=seen.triton.address, otlp_endpoint=collector.address))
    gateway.caller.post("/classifyfish", content=jpeg)
    assert not collector.spans
    gateway.server.stop()
    gateway.thread.join(DEADLINE_S)
    collector.named("POST /classifyfish")
    assert collector.services == {"deck-7"}


def test_without_a_collector_nothing_is_sent_along_or_even_imported(
    start_gateway: Callable[..., Running], seen: Seen, jpeg: bytes
) -> None:
    gateway = ready(start_gateway(triton=seen.triton.address))
    seen.headers.clear()
    gateway.caller.post("/classifyfish", content=jpeg, headers=GIVEN)
    assert "traceparent" not in seen.headers[0]
    code = (
        "import sys\n"
        "from deckwatch_gateway.server import GatewayServer\n"
        "import deckwatch_gateway.__main__\n"
        "found = [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
