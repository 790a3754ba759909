"""Callers that come whatever becomes of those before them, over plain HTTP, in one event loop.

A client that waits for its answer before it asks again slows down with the server and so never
shows what overload does. Here each request has its time of arrival, fixed beforehand, and is
timed from then on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.asking import BenchmarkError
from deckwatch_serving.ports import LOOPBACK

_TIMEOUT_S = 60.0
# The gateway closes connections after 65 s.
_KEPT_S = 30.0


@dataclass(slots=True)
class Told:
    """What callers experienced.

    Attributes:
        took_s: seconds of each request that was answered with a result, from its arrival on.
        retry_after: of each that was refused with 503; None where it named no time.
        lasted_s: seconds from the first arrival to the last answer.
    """

    took_s: list[float] = field(default_factory=list)
    retry_after: list[int | None] = field(default_factory=list)
    lasted_s: float = 0.0

    @property
    def rate(self) -> float:
        """Results a second."""
        return len(self.took_s) / self.lasted_s

    @property
    def offered(self) -> int:
        """Requests in all."""
        return len(self.took_s) + len(self.retry_after)


class Callers:
    """Sends `pictures` in turn to the gateway at `port` of this machine; keeps connections."""

    def __init__(self, port: int, pictures: Sequence[bytes]) -> None:
        self._port = port
        self._requests = [
            b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture
            for picture in pictures
        ]
        self._sent = 0
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def come(self, rate: float, lasting_s: float, seed: int) -> Told:
        """`rate` callers a second on average, at random times."""
        chance, told = random.Random(seed), Told()
        begun = time.perf_counter()
        at = 0.0
        async with asyncio.TaskGroup() as group:
            while (at := at + chance.expovariate(rate)) < lasting_s:
                await asyncio.sleep(begun + at - time.perf_counter())
                group.create_task(self._call(told, begun + at))
        told.lasted_s = time.perf_counter() - begun
        return told

    async def ask_in_turn(self, clients: int, lasting_s: float) -> Told:
        """So many clients, each of which asks again as soon as it was answered."""
        told, begun = Told(), time.perf_counter()

        async def client() -> None:
            while time.perf_counter() - begun < lasting_s:
                wait_s = await self._call(told, time.perf_counter())
                await asyncio.sleep(min(wait_s, lasting_s))

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
        told.lasted_s = time.perf_counter() - begun
        return told

    async def close(self) -> None:
        """Close the connections."""
        for _, writer, _ in self._idle:
            writer.close()
            await writer.wait_closed()
        self._idle.clear()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The one used last, or a new one where that may be about to be closed."""
        while self._idle:
            reader, writer, used = self._idle.pop()
            if time.monotonic() - used < _KEPT_S:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(LOOPBACK, self._port)

    async def _call(self, told: Told, arrived: float) -> int:
        """One request; the seconds after which to come again where it was refused, else 0."""
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await self._connection()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields["content-length"]))
        took_s = time.perf_counter() - arrived
        self._idle.append((reader, writer, time.monotonic()))
        status = int(head.split()[1])
        if status == 200:
            told.took_s.append(took_s)
            return 0
        if status != 503:
            raise BenchmarkError(f"the gateway answered {status}: {body[:300]!r}")
        given = fields.get("retry-after")
        told.retry_after.append(int(given) if given else None)
        return told.retry_after[-1] or 1
