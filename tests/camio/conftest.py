"""What tests of the exchange with Camio share: queues, a Camio, a Triton, and gateways between."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.gateway import conftest as gateway
from tests.gateway import test_traces

from .fake import FakeCamio
from .gateways import FastTriton, Hooked, hooked_gateway
from .queues import RedisServer

Start: TypeAlias = Callable[..., Hooked]

jpeg = gateway.jpeg
collector = test_traces.collector
logs_as_in_production = gateway.logs_as_in_production


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server; whoever asks for `queue` gets it empty."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "redis"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The location of an empty queue, once of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "state" / "camio.sqlite")
    server: RedisServer = request.getfixturevalue("redis_server")
    assert server.command("FLUSHALL") == b"+OK\r\n"
    return server.url


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port where nobody listens, kept so by being bound."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"redis://:hush@127.0.0.1:{bound.getsockname()[1]}/0"


@pytest.fixture
def camio() -> Iterator[FakeCamio]:
    with FakeCamio() as running:
        yield running


@pytest.fixture
def triton() -> Iterator[FastTriton]:
    with FastTriton().running() as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, camio: FakeCamio, triton: FastTriton) -> Iterator[Start]:
    """Call it with settings to get a gateway; it is stopped after the test."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Hooked:
            given = {"camio_queue": str(tmp_path / "camio.sqlite"), **settings}
            location = given.pop("camio_queue")
            return stack.enter_context(hooked_gateway(location, triton, camio, **given))

        yield start


@pytest.fixture
def hooked(start: Start) -> Hooked:
    """A gateway with its queue in a file."""
    return start()


@pytest.fixture
def wait_for() -> Callable[[Callable[[], bool]], None]:
    return gateway.wait_for
