"""Gateways to test against: in a thread, before the real Triton or before one that is in trouble.

Every answer that passes through `Caller` is held against the OpenAPI document and against the
rules for error bodies, whatever the test at hand looks at.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import grpc
import httpx2
import numpy as np
import pytest
import structlog
from tritonclient.grpc import service_pb2, service_pb2_grpc

from deckwatch_gateway import logs
from deckwatch_gateway.server import GatewayServer
from deckwatch_gateway.settings import Settings

DEADLINE_S = 20.0


def wait_for(condition: Callable[[], bool]) -> None:
    """Until `condition` holds; fails when it does not within the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


class Caller(httpx2.Client):
    """An HTTP client that checks what every answer must be."""

    def __init__(self, server: GatewayServer) -> None:
        super().__init__(base_url=server.url, timeout=DEADLINE_S, trust_env=False)
        self.event_hooks = {"response": [self._check]}
        self._document: dict[str, Any] | None = None

    def metric(self, name: str, /, **labels: str) -> float:
        """The value of one line of /metrics; 0 where there is none."""
        inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        start = f"deckwatch_gateway_{name}" + (f"{{{inner}}} " if inner else " ")
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(start):
                return float(line.removeprefix(start))
        return 0.0

    def _check(self, response: httpx2.Response) -> None:
        response.read()
        check_headers(response)
        if response.status_code >= 400:
            check_problem(response)
        if response.request.url.path == "/openapi.json":
            self._document = response.json()
            return
        if self._document is None:
            self._document = self.get("/openapi.json").json()
        operations = self._document["paths"].get(response.request.url.path, {})
        operation = operations.get(response.request.method.lower())
        if operation is not None:
            documented = operation["responses"]
            assert str(response.status_code) in documented, "an answer that is not documented"
            if response.status_code == 304:  # which has no content
                return
            media_type = response.headers["content-type"].partition(";")[0]
            assert media_type in documented[str(response.status_code)]["content"]


def check_headers(response: httpx2.Response) -> None:
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"
    for name in ("content-security-policy", "referrer-policy", "x-frame-options"):
        assert len(response.headers.get_list(name)) == 1
    assert "server" not in response.headers


def check_problem(response: httpx2.Response) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:deckwatch:problem:{body['code']}"
    assert body["instance"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"].endswith(".")
    for leak in ("Traceback", "/home", "/tmp", ".py", "127.0.0.1", "grpc://"):
        assert leak not in response.text
    if response.status_code in (429, 503):
        assert int(response.headers["retry-after"]) >= 1


@dataclass
class Running:
    """A gateway that runs in a thread, and a caller for it."""

    server: GatewayServer
    caller: Caller
    thread: threading.Thread

    @contextmanager
    def raw(self) -> Iterator[socket.socket]:
        """A bare connection, for what no HTTP library would send."""
        with socket.create_connection((self.server.host, self.server.port), DEADLINE_S) as bare:
            yield bare


@contextmanager
def running_gateway(**settings: Any) -> Iterator[Running]:
    server = GatewayServer(Settings(port=0, **settings))
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    try:
        wait_for(lambda: server.started)
        with Caller(server) as caller:
            yield Running(server, caller, thread)
    finally:
        server.stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the gateway did not stop"


@pytest.fixture(scope="session", autouse=True)
def logs_as_in_production() -> Iterator[None]:
    """JSON on stderr instead of structlog's coloured lines; pytest gets its own handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def start_gateway() -> Iterator[Callable[..., Running]]:
    """Call it with settings; what it started is stopped after the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_gateway(**settings))


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a port where nobody listens, kept so by being bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"grpc://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def without_triton(start_gateway: Callable[..., Running], nowhere: str) -> Running:
    """A gateway whose Triton is away."""
    return start_gateway(triton=nowhere)


@dataclass
class HungTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A Triton whose inferences hang until the caller gives up; counts both."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        answer = service_pb2.ModelConfigResponse()
        answer.config.name = request.name
        answer.config.parameters["release_name"].string_value = "hung"
        answer.config.parameters["labels"].string_value = "NoF,OTHER"
        answer.config.ensemble_scheduling.step.add(model_name="detect", model_version=1)
        return answer

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        over = threading.Event()
        context.add_callback(over.set)
        self.asked.append(request.id)
        over.wait(DEADLINE_S)
        self.given_up.append(request.id)
        return service_pb2.ModelInferResponse()


@pytest.fixture
def hung_triton() -> Iterator[HungTriton]:
    server = grpc.server(ThreadPoolExecutor(16))
    hung = HungTriton()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(hung, server)
    port = server.add_insecure_port("127.0.0.1:0")
    hung.address = f"grpc://127.0.0.1:{port}"
    server.start()
    yield hung
    server.stop(0).wait()


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small photograph-like JPEG, 64 x 48."""
    noise = np.random.default_rng(7).integers(0, 256, (48, 64, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.GaussianBlur(noise, (9, 9), 0))[1].tobytes()


@pytest.fixture(scope="session")
def png_bomb() -> bytes:
    """A PNG that says it is 30,000 x 30,000 and is a hundred bytes long."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 64))
        + chunk(b"IEND", b"")
    )


def read_answer(bare: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON body of the next answer on a bare connection."""
    stream = bare.makefile("rb")
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return status, headers, json.loads(stream.read(int(headers["content-length"])))
