"""A Redis server for all tests of the exchange with Camio, and a place for a fresh queue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .queues import RedisServer


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
