"""An event loop in which time passes by itself, and a Triton to be simulated in it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from deckwatch_gateway.admission import Gate
from deckwatch_gateway.admission_metrics import AdmissionMetrics
from deckwatch_vision.errors import ServerOverloaded

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer instead of waiting for it: minutes pass in a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None) -> Any:
            if timeout is None:
                raise RuntimeError("nothing would ever happen again")
            self.now += max(0.0, timeout)
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self.now


def run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


def make_gate(**limits: Any) -> tuple[Gate, CollectorRegistry]:
    registry = CollectorRegistry()
    options: dict[str, Any] = {"max_in_flight": 64, "max_queued": 64, "max_wait_s": 5.0, **limits}
    return Gate(**options, metrics=AdmissionMetrics(registry), clock=now), registry


class Triton:
    """Instances that each take what waits, at most `batch` at once, in order.

    A batch of n takes (fixed_s + n * each_s), a little more or less.
    """

    def __init__(self, *, instances: int, batch: int = 1, fixed_s: float, each_s: float) -> None:
        self._free = instances
        self._batch = batch
        self._fixed_s = fixed_s
        self._each_s = each_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._random = random.Random(3)
        self._tasks: set[asyncio.Task[None]] = set()

    async def infer(self) -> None:
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._start()
        await answer

    def _start(self) -> None:
        while self._free and self._waiting:
            count = min(self._batch, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            self._free -= 1
            task = asyncio.ensure_future(self._work(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: list[asyncio.Future[None]]) -> None:
        spread = self._random.uniform(0.85, 1.15)
        await asyncio.sleep(spread * (self._fixed_s + len(batch) * self._each_s))
        for answer in batch:
            if not answer.done():
                answer.set_result(None)
        self._free += 1
        self._start()


@dataclass
class Told:
    """What callers experienced."""

    took_s: list[float] = field(default_factory=list)
    refused: list[ServerOverloaded] = field(default_factory=list)
    lasted_s: float = 0.0

    @property
    def p99_s(self) -> float:
        return float(np.percentile(self.took_s, 99))

    @property
    def rate(self) -> float:
        return len(self.took_s) / self.lasted_s

    @property
    def shed(self) -> float:
        return len(self.refused) / (len(self.refused) + len(self.took_s))


async def call(gate: Gate, triton: Triton, told: Told) -> bool:
    begun = now()
    try:
        async with gate.enter():
            await triton.infer()
    except ServerOverloaded as error:
        told.refused.append(error)
        return False
    told.took_s.append(now() - begun)
    return True


async def arrivals(gate: Gate, triton: Triton, rate: float, lasting_s: float, seed: int) -> Told:
    """Callers who come at random, `rate` a second, whatever becomes of those before them."""
    told, chance, begun = Told(), random.Random(seed), now()
    async with asyncio.TaskGroup() as group:
        while now() - begun < lasting_s:
            await asyncio.sleep(chance.expovariate(rate))
            group.create_task(call(gate, triton, told))
    told.lasted_s = now() - begun
    return told


async def clients(gate: Gate, triton: Triton, count: int, lasting_s: float) -> Told:
    """Clients who each ask again as soon as they were answered."""
    told, begun = Told(), now()

    async def client() -> None:
        while now() - begun < lasting_s:
            if not await call(gate, triton, told):
                await asyncio.sleep(1.0)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(client())
    told.lasted_s = now() - begun
    return told
