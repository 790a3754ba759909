"""Servers that are away, silent, overloaded, something else, or swapping their release."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from deckwatch_client import AsyncClient, Client, Result
from deckwatch_client.channel import CHANNEL
from deckwatch_client.triton import AsyncTritonClient, TritonClient
from deckwatch_vision.errors import (
    BrokenImage,
    DeadlineExceeded,
    DeckwatchError,
    KeyRefused,
    RateLimited,
    ScopeRefused,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
    to_wire,
)
from tests.client.tritons import Triton, serving

Ask = Callable[..., Result]


def ask(address: str, **settings: Any) -> Result:
    with Client(address, **{"patience_s": 0.0, **settings}) as client:
        return client.classify(b"picture", file="deck.jpg")


def ask_async(address: str, **settings: Any) -> Result:
    async def one() -> Result:
        async with AsyncClient(address, **{"patience_s": 0.0, **settings}) as client:
            return await client.classify(b"picture", file="deck.jpg")

    return asyncio.run(one())


@pytest.fixture(params=[ask, ask_async], ids=["sync", "async"])
def either(request: pytest.FixtureRequest) -> Ask:
    return request.param


@contextmanager
def bound(backlog: int | None) -> Iterator[str]:
    """host:port of a socket that nobody serves; without a backlog it refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if backlog is not None:
            taken.listen(backlog)
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_away(either: Ask, scheme: str) -> None:
    with bound(None) as host, pytest.raises(ServerUnavailable) as caught:
        either(f"{scheme}://{host}")
    assert str(caught.value).startswith(f"{scheme}://{host} ")
    assert "deckwatch up" in str(caught.value)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_silent(either: Ask, scheme: str) -> None:
    with bound(8) as host, pytest.raises(DeadlineExceeded, match=r"^deck\.jpg: .* within 0\.2 s"):
        either(f"{scheme}://{host}", timeout_s=0.2)


@dataclass
class Web:
    """What a web server in the gateway's place answers, and where it is."""

    status: int = 200
    body: bytes = b""
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    retry_after: str = ""
    keys: list[str | None] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            web.asked.append((self.path, self.headers["Content-Type"]))
            web.keys.append(self.headers["Authorization"])
            self.send_response(web.status)
            if web.retry_after:
                self.send_header("Retry-After", web.retry_after)
            self.send_header("Content-Length", str(len(web.body)))
            self.end_headers()
            self.wfile.write(web.body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (404, b"<html>", ServerError, "answered 404 Not Found. Check that this is the address"),
        (502, b"<html>", ServerUnavailable, "answered 502 Bad Gateway"),
        (503, b"", ServerUnavailable, "answered 503 Service Unavailable"),
        (429, b"{}", RateLimited, "answered 429 Too Many Requests"),
        (401, b"", KeyRefused, "This client sends the one in DECKWATCH_API_KEY"),
        (403, b"", ServerError, "answered 403 Forbidden"),
        (504, b"[]", DeadlineExceeded, "answered 504 Gateway Timeout"),
        (302, b"", ServerError, "answered 302 Found"),
        (200, b"hello", ServerError, "something else than a result"),
        (200, b"[1]", ServerError, "something else than a result"),
        (200, b'{"label": "SHARK"}', ServerError, "not a Deckwatch result"),
    ],
)
def test_no_gateway_at_all(
    either: Ask, web: Web, status: int, body: bytes, error: type[DeckwatchError], message: str
) -> None:
    web.status, web.body = status, body
    with pytest.raises(error, match=message) as caught:
        either(web.address)
    assert type(caught.value) is error
    assert web.asked == [("/v1/classify", "application/octet-stream")]


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("broken-image", BrokenImage, "deck.jpg: why and what to do."),
        ("server-overloaded", ServerOverloaded, "deck.jpg: {address}: why and what to do."),
        ("rate-limited", RateLimited, "deck.jpg: {address}: why and what to do."),
        ("scope-refused", ScopeRefused, "{address}: why and what to do."),
        (
            "key-refused",
            KeyRefused,
            "{address}: why and what to do. This client sends the one in DECKWATCH_API_KEY, "
            "or its api_key.",
        ),
        ("server-unavailable", ServerUnavailable, "{address}: why and what to do."),
        ("invented-later", ServerError, "{address} answered 418 I'm a Teapot. why and what to do."),
    ],
)
def test_the_gateways_problems_are_our_errors(
    either: Ask, web: Web, code: str, error: type[DeckwatchError], message: str
) -> None:
    web.status = 418
    web.body = json.dumps({"code": code, "detail": "why\nand what to do."}).encode()
    with pytest.raises(error) as caught:
        either(web.address)
    assert type(caught.value) is error
    assert str(caught.value) == message.format(address=web.address)


@pytest.fixture
def triton() -> Iterator[Triton]:
    with serving(Triton()) as triton:
        yield triton


def test_the_release_is_read_once(triton: Triton) -> None:
    with TritonClient(triton.address) as client:
        results = [client.infer(b"picture") for _ in range(3)]
        assert {result.label for result in results} == {"SHARK"}
        assert {result.release.name for result in results} == {"release 1"}
        assert triton.configs_read == 1
        assert client.metadata().labels == ("NoF", "SHARK")
        assert client.ready()


def test_a_swap_between_two_pictures(triton: Triton) -> None:
    triton.answering, triton.configured = [1, 2], [1, 2]
    with TritonClient(triton.address) as client:
        first, second = client.infer(b"picture"), client.infer(b"picture")
    assert (first.release.version, first.label) == (1, "SHARK")
    assert (second.release.version, second.label) == (2, "NoF")


def test_a_swap_between_answer_and_configuration(either: Ask, triton: Triton) -> None:
    triton.answering, triton.configured = [1, 2], [2]
    result = either(triton.address)
    assert (result.release.version, result.label) == (2, "NoF")


def test_a_release_that_never_settles(either: Ask, triton: Triton) -> None:
    triton.answering, triton.configured = [1], [2]
    with pytest.raises(ServerUnavailable, match="changed its release 3 times during one call"):
        either(triton.address)


def test_another_release_under_the_same_version_is_noticed(triton: Triton) -> None:
    with TritonClient(triton.address) as client:
        client.infer(b"picture")
        triton.answering, triton.configured = [3], [3]
        client.infer(b"picture")
        client._served[3] = client._served[1]
        with pytest.raises(ServerError, match="do not fit"):
            client.infer(b"picture")
        assert client.infer(b"picture").label == "RAY"


def test_a_model_that_names_no_release(either: Ask, triton: Triton) -> None:
    triton.configured = [0]
    with pytest.raises(ServerError, match="names no release"):
        either(triton.address)


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (
            grpc.StatusCode.INVALID_ARGUMENT,
            f"in ensemble 'deckwatch', {to_wire(BrokenImage('cut off. Copy it again'))}\nAt: x.py",
            BrokenImage,
        ),
        (grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size", ServerOverloaded),
        (grpc.StatusCode.UNAVAILABLE, "Request timeout expired", DeadlineExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", ServerOverloaded),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'deckwatch'", ServerUnavailable),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed", ServerUnavailable),
        (grpc.StatusCode.INTERNAL, "stub died", ServerError),
    ],
)
def test_tritons_refusals_are_our_errors(
    either: Ask, triton: Triton, status: grpc.StatusCode, text: str, error: type[DeckwatchError]
) -> None:
    triton.refusal = (status, text)
    with pytest.raises(error) as caught:
        either(triton.address)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)


def test_readiness_and_metadata_without_an_answer() -> None:
    async def ready(host: str) -> bool:
        async with AsyncTritonClient(host) as client:
            with pytest.raises(ServerUnavailable):
                await client.metadata()
            return await client.ready()

    with bound(None) as host:
        with TritonClient(host) as client:
            assert not client.ready()
            with pytest.raises(ServerUnavailable):
                client.metadata()
        assert not asyncio.run(ready(host))


def test_readiness_and_metadata_async(triton: Triton) -> None:
    async def both() -> tuple[bool, int]:
        async with AsyncTritonClient(triton.address) as client:
            return await client.ready(), (await client.metadata()).release.version

    assert asyncio.run(both()) == (True, 1)


@pytest.mark.parametrize(
    ("given", "seconds"), [("7", 7), ("", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)]
)
@pytest.mark.parametrize(
    ("code", "error"), [("server-overloaded", ServerOverloaded), ("rate-limited", RateLimited)]
)
def test_the_time_to_wait_is_kept(
    either: Ask, web: Web, code: str, error: Any, given: str, seconds: int | None
) -> None:
    web.status, web.retry_after = 503, given
    web.body = json.dumps({"code": code, "detail": "later."}).encode()
    with pytest.raises(error) as caught:
        either(web.address)
    assert caught.value.retry_after_s == seconds


def test_the_key_of_the_environment_is_sent(
    either: Ask, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.status = 503
    for key in ("", "correct-horse-battery-staple"):
        monkeypatch.setenv("DECKWATCH_API_KEY", key)
        with pytest.raises(ServerUnavailable):
            either(web.address)
    assert web.keys == [None, "Bearer correct-horse-battery-staple"]


@pytest.mark.parametrize("key", ["two words", "kn\u00f6llchen", "new\nline"])
def test_what_is_no_key_is_not_sent(
    either: Ask, web: Web, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECKWATCH_API_KEY", key)
    with pytest.raises(UsageError, match="DECKWATCH_API_KEY is no key") as caught:
        either(web.address)
    assert key not in str(caught.value)
    assert not web.keys


class Way:
    """A way to `host` that keeps its connections, and passes nothing on once `frozen` is set."""

    def __init__(self, host: str) -> None:
        self._host, _, port = host.rpartition(":")
        self._port = int(port)
        self.frozen = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listening.accept()[0]
                far = socket.create_connection((self._host, self._port))
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._pass_on, args=pair))
                    self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.frozen.is_set():
                    target.sendall(data)

    def close(self) -> None:
        for each in (self._listening, *self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()


def test_a_connection_that_only_looks_alive_is_given_up(
    either: Ask, triton: Triton, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the deadline, so that another server can be asked."""
    quick = {"grpc.http2.ping_timeout_ms": 300, "grpc.keepalive_time_ms": 300}
    usual = dict(CHANNEL)
    assert {usual[name] for name in quick} == {10_000}
    monkeypatch.setattr("deckwatch_client.channel.CHANNEL", [*{**usual, **quick}.items()])
    with closing(Way(triton.host)) as way:
        triton.before = lambda number, context: way.frozen.set()
        with pytest.raises(ServerUnavailable, match="ping timeout"):
            either(f"grpc://{way.address}", timeout_s=60)
