"""One trace from a caller through the gateway into the steps of the real Triton."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from deckwatch_serving.triton import EmbeddedTriton
from deckwatch_vision.images import encode_jpeg
from tests.tiny_release import tiny_picture

from .conftest import DEADLINE_S, Running, wait_for

pytestmark = pytest.mark.stack


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes the gateway's spans over gRPC and Triton's over HTTP; trace, parent, id by name."""

    grpc_url: str = ""
    http_address: str = ""
    spans: list[tuple[str, str, str, str]] = field(default_factory=list)

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = (span.trace_id, span.parent_span_id, span.span_id)
                    self.spans.append((span.name, *(each.hex() for each in ids)))
        return trace_service_pb2.ExportTraceServiceResponse()

    def take_json(self, body: bytes) -> None:
        for resource in json.loads(body)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    parent = span.get("parentSpanId", "")
                    self.spans.append((span["name"], span["traceId"], parent, span["spanId"]))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take_json(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.grpc_url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        collector.http_address = f"127.0.0.1:{web.server_address[1]}"
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield collector
        web.shutdown()
        thread.join()
    server.stop(0).wait()


@pytest.fixture(scope="module")
def triton(collector: Collector, tiny_repository: Path) -> Iterator[EmbeddedTriton]:
    """A Triton that traces what comes with a trace, and nothing else (`rate=0`)."""
    options = (
        "mode=opentelemetry",
        "level=TIMESTAMPS",
        "rate=0",
        f"opentelemetry,url={collector.http_address}/v1/traces",
        "opentelemetry,bsp_schedule_delay=50",
    )
    given = [f"--trace-config={each}" for each in options]
    with EmbeddedTriton(tiny_repository, options=given) as server:
        yield server


def test_one_trace_from_the_request_to_the_steps(
    start_gateway: Callable[..., Running],
    collector: Collector,
    triton: EmbeddedTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    picture = encode_jpeg(tiny_picture(fish=1))
    without = start_gateway(triton=triton.grpc_url)
    traced = start_gateway(triton=triton.grpc_url, otlp_endpoint=collector.grpc_url)
    assert without.caller.post("/v1/classify", content=picture).status_code == 200

    steps = {"detect", "classifier", "fuse"}
    wanted = steps | {"POST /v1/classify", "triton", "InferRequest", "deckwatch"}

    def complete() -> str:
        """A trace of which everything arrived; Triton drops a batch that it cannot send at once."""
        assert traced.caller.post("/v1/classify", content=picture).status_code == 200
        names: dict[str, set[str]] = {}
        for name, trace, *_ in collector.spans:
            names.setdefault(trace, set()).add(name)
        return next((trace for trace, found in names.items() if found >= wanted), "")

    wait_for(lambda: complete() != "")
    found = complete()
    tree = {name: (parent, own) for name, trace, parent, own in collector.spans if trace == found}
    assert tree["triton"][0] == tree["POST /v1/classify"][1]
    assert tree["InferRequest"][0] == tree["triton"][1]
    assert tree["deckwatch"][0] == tree["InferRequest"][1]
    assert {tree[step][0] for step in steps} == {tree["deckwatch"][1]}
    traced.server.stop()
    traced.thread.join(DEADLINE_S)
    ours = {trace for name, trace, *_ in collector.spans if name == "POST /v1/classify"}
    theirs = {trace for name, trace, *_ in collector.spans if name == "InferRequest"}
    assert theirs <= ours, "what comes without a trace is not traced"
