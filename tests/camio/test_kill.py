"""One hundred gateways are killed with -9 while they work: no acknowledged event is lost.

The Triton before them never gives the same answer twice, so an event that was labelled twice would
be sent with two different bodies.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import threading
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx2
import pytest

from deckwatch_gateway.camio.store import STATES, Entry

from .fake import FakeCamio, Reply
from .gateways import KEY, FastTriton, environment, hook_settings, hooked_gateway, photo
from .queues import DEADLINE_S, opened
from .victims import OUTSIDE, POINTS, Victim

KILLS = {"sqlite": 60, "redis": 40}
# Gateways at work at the same time, on the same queue.
AT_ONCE = 3
SEED = 20261125


@dataclass
class Sea:
    """What was sent, and what of it was acknowledged."""

    camio: FakeCamio
    triton: FastTriton
    queue: str
    folder: Path
    jpeg: bytes
    numbers: count[int] = field(default_factory=count)
    acknowledged: set[str] = field(default_factory=set)
    points: Counter[str] = field(default_factory=Counter)

    def event(self) -> tuple[str, bytes]:
        """A new event, its pictures' times its own; where its labels go, and its JSON."""
        number = next(self.numbers)
        when = f"2017-05-05T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
        images = [photo(self.jpeg, f"{when}.{place}00000") for place in range(1 + number % 2)]
        event = self.camio.event(images, camera=f"deck-{number % 5}")
        return event["callback_url"].removeprefix(self.camio.url), json.dumps(event).encode()

    def kill_one(self, number: int) -> None:
        """Start a gateway, send it events until it is dead, and remember what it acknowledged."""
        chance = random.Random(SEED + number)
        point = (*POINTS, OUTSIDE)[number % (len(POINTS) + 1)]
        settings = hook_settings(self.queue, self.triton.address, camio_lease_s=0.3)
        log = self.folder / f"{number}.log"
        victim = Victim(environment(settings), log, point, chance)
        try:
            url = victim.url()
            if point == OUTSIDE:
                threading.Timer(chance.uniform(0, 0.2), victim.process.kill).start()
            if url is not None:
                self._send(victim, url, chance)
            assert victim.ended() == -signal.SIGKILL, f"{number}, {point}\n{log.read_text()}"
        finally:
            victim.close()
        self.points[point] += 1

    def _send(self, victim: Victim, url: str, chance: random.Random) -> None:
        end = time.monotonic() + DEADLINE_S
        with httpx2.Client(base_url=url, timeout=DEADLINE_S, trust_env=False) as caller:
            while victim.alive() and time.monotonic() < end:
                path, body = self.event()
                try:
                    answer = caller.post(f"/tasks/{KEY}", content=body)
                except httpx2.RequestError:
                    continue
                assert (answer.status_code, answer.text) == (200, "ok")
                self.acknowledged.add(path)
                time.sleep(chance.uniform(0, 0.02))

    def entries(self) -> list[Entry]:
        async def look() -> list[Entry]:
            async with opened(self.queue) as store:
                return await store.entries(STATES, limit=100_000)

        return asyncio.run(look())

    def states(self) -> Counter[str]:
        return Counter(entry.state for entry in self.entries())


@pytest.mark.timeout(600)
def test_a_hundred_kills_lose_nothing_and_label_nothing_twice(
    queue: str, jpeg: bytes, camio: FakeCamio, triton: FastTriton, tmp_path: Path
) -> None:
    kills = KILLS["redis" if queue.startswith("redis") else "sqlite"]
    chance = random.Random(SEED)
    # One callback in eight has to be sent again for another reason than a kill.
    camio.replies = deque(Reply(503 if chance.random() < 1 / 8 else 200) for _ in range(1000))
    sea = Sea(camio, triton, queue, tmp_path, jpeg)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(sea.kill_one, number) for number in range(kills)]:
            done.result()
    assert sum(sea.points.values()) == kills
    assert len(sea.points) == len(POINTS) + 1

    with hooked_gateway(queue, triton, camio, camio_lease_s=0.3):
        end = time.monotonic() + 3 * DEADLINE_S
        while sea.states().keys() != {"delivered"}:
            assert time.monotonic() < end, f"stuck: {sea.states()}"
            time.sleep(0.05)

    bodies: dict[str, set[bytes]] = {}
    for callback in camio.callbacks:
        bodies.setdefault(callback.path, set()).add(callback.body)
    assert sea.acknowledged
    assert sea.acknowledged <= bodies.keys()
    twice = {path: found for path, found in bodies.items() if len(found) > 1}
    assert not twice, "an event was labelled twice"
    assert len(bodies) == len(sea.entries())
    # The kills did hit: events were recognised again and labels were sent again.
    images = sum(entry.images for entry in sea.entries())
    assert len(triton.events) > images
    assert len(camio.callbacks) > len(bodies)
