"""Gateway processes that are killed with -9, at a chosen point of their work or from outside.

They are forked off a server that has the modules loaded already, because starting Python anew
would take most of the time of a hundred kills; from there on they are what
`python -m deckwatch_gateway` is.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

from .queues import DEADLINE_S

# When a gateway kills itself: the first, second or third time that it comes there.
POINTS = (
    "stored, not yet acknowledged",
    "during inference",
    "labelled, not yet sent",
    "during the callback",
    "taken, not yet recorded",
    "recorded",
)
OUTSIDE = "from outside"
# How long after the beginning of an inference or a callback, in seconds: both take milliseconds.
WITHIN_S = 0.004

# Starting a process looks after all others, and their exit status can be read only once.
_READING = threading.Lock()
_FORKS = multiprocessing.get_context("forkserver")
# The first three, and what they import only when a gateway starts.
_FORKS.set_forkserver_preload(
    [
        "pytest",
        "deckwatch_gateway.server",
        "tests.camio.victims",
        "deckwatch_gateway.camio.sqlite_store",
        "deckwatch_gateway.camio.redis_store",
        "anyio._backends._asyncio",
        "pydantic.v1",
        "uvicorn.lifespan.on",
        "uvicorn.loops.uvloop",
    ]
)


class Victim:
    """A gateway that dies at `point`, when that is reached as often as `chance` has it."""

    def __init__(
        self, environment: dict[str, str], log: Path, point: str, chance: random.Random
    ) -> None:
        self._log = log
        given = {f"DECKWATCH_{name.upper()}": value for name, value in environment.items()}
        self.process = _FORKS.Process(
            target=_serve, args=({"DECKWATCH_PORT": "0", **given}, str(log), point, chance)
        )
        with _READING:
            self.process.start()

    def alive(self) -> bool:
        """Whether it still runs."""
        with _READING:
            return self.process.is_alive()

    def url(self) -> str | None:
        """Where it listens; None where it died before."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            lines = self._log.read_text().splitlines(keepends=True) if self._log.exists() else []
            if lines and lines[0].endswith("\n"):
                assert lines[0].startswith("{"), "".join(lines)
                url: str = json.loads(lines[0])["url"]
                return url
            if not self.alive():
                return None
            time.sleep(0.005)
        raise AssertionError("it does not listen")

    def ended(self) -> int | None:
        """Its exit status once it ends; None, and where it hangs in its log, if it does not."""
        if not connection.wait([self.process.sentinel], DEADLINE_S):
            assert self.process.pid is not None
            os.kill(self.process.pid, signal.SIGUSR1)
            time.sleep(1)
            return None
        with _READING:
            return self.process.exitcode

    def close(self) -> None:
        if self.alive():
            self.process.kill()
        connection.wait([self.process.sentinel], DEADLINE_S)
        with _READING:
            self.process.join()
            self.process.close()


def _serve(environment: dict[str, str], log: str, point: str, chance: random.Random) -> None:
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(opened, 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for name in [name for name in os.environ if name.startswith("DECKWATCH_")]:
        del os.environ[name]
    os.environ.update(environment)
    if point != OUTSIDE:
        _arm(point, chance)
    from deckwatch_gateway.__main__ import run

    raise SystemExit(run())


def _arm(point: str, chance: random.Random) -> None:
    """Set the trap: nothing of the gateway changes but that it ends."""
    from deckwatch_gateway.camio.delivery import Callbacks
    from deckwatch_gateway.camio.redis_store import RedisStore
    from deckwatch_gateway.camio.sqlite_store import SqliteStore
    from deckwatch_gateway.recognition import Recognition

    left = iter(range(chance.randrange(3), -1, -1))

    def reached() -> bool:
        return next(left, -1) == 0

    def after(kind: type, name: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(kind, name)

        async def trap(*args: Any, **more: Any) -> Any:
            result = await original(*args, **more)
            if reached():
                _die()
            return result

        setattr(kind, name, trap)

    def during(kind: type, name: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(kind, name)

        async def trap(*args: Any, **more: Any) -> Any:
            if reached():
                asyncio.get_running_loop().call_later(chance.uniform(0, WITHIN_S), _die)
            return await original(*args, **more)

        setattr(kind, name, trap)

    stores = (SqliteStore, RedisStore)
    if point == "during inference":
        during(Recognition, "ask")
    elif point == "during the callback":
        during(Callbacks, "post")
    elif point == "taken, not yet recorded":
        after(Callbacks, "post")
    else:
        name = {"stored, not yet acknowledged": "put", "labelled, not yet sent": "label"}
        for store in stores:
            after(store, name.get(point, "delivered"))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
