"""Queues to test on: SQLite files and a real Redis server, and events to put into them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deckwatch_gateway.camio.store import Arrival, Limits, Store, open_store

DEADLINE_S = 20.0
PLENTY = Limits(max_events=1000, max_bytes=10**9)


class RedisServer:
    """A Redis server of our own on a free port, its data in `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = {"appendonly": "yes", "appendfsync": "always", **settings}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: see make setup-programs"
        given = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "save": "",
            **self.settings,
        }
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        self.process = subprocess.Popen(
            [program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + DEADLINE_S
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended"
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """As a power cut would, as far as the process goes."""
        self.process.kill()
        self.process.wait()

    def command(self, *words: str) -> bytes:
        """The first bytes of the answer to a command."""
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as bare:
            bare.sendall((" ".join(words) + "\r\n").encode())
            return bare.recv(4096)

    def _answers(self) -> bool:
        try:
            return self.command("PING") == b"+PONG\r\n"
        except OSError:
            return False


def arrival(name: str = "a", *, key_name: str = "aurora", body: bytes = b"{}") -> Arrival:
    return Arrival(
        id=f"id-{name}",
        key_name=key_name,
        camera=f"deck-{name}",
        images=1,
        callback_url=f"https://hooks.camio.com/{name}?secret=hush",
        body=body,
    )


@asynccontextmanager
async def opened(location: str) -> AsyncIterator[Store]:
    store = open_store(location)
    try:
        yield store
    finally:
        await store.close()
