"""How much the gateway takes on at once: pictures at Triton and waiting, bytes in memory.

Every number here is bounded. Who cannot be served in time is told so at once, with the time after
which another try has a chance, instead of waiting behind a growing line.
All belong to one event loop, so plain integers need no lock.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import Receive

from deckwatch_gateway.admission_metrics import AdmissionMetrics, Shed
from deckwatch_gateway.gone import unless_gone
from deckwatch_gateway.pressure import Pressure
from deckwatch_vision.errors import ServerOverloaded

MAX_RETRY_AFTER_S = 60
# Work in the background gives way to callers, but so often it gets one turn among theirs.
PATIENCE_S = 1.0

_Place = asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class Turn:
    """A picture's turn at Triton. `waited_s` is how long it waited for it, in seconds."""

    waited_s: float = 0.0


class Gate:
    """Lets pictures through to Triton in the order in which they came: `async with gate.enter()`.

    Args:
        max_in_flight: pictures at Triton at most. How many of these are used follows from what
            is measured, see `deckwatch_gateway.pressure`.
        max_queued: callers that may wait for their turn; none does under overload.
        max_wait_s: how long each of them waits at most.
        metrics: where it is counted.
        clock: gives seconds.
    """

    def __init__(
        self,
        *,
        max_in_flight: int,
        max_queued: int,
        max_wait_s: float,
        metrics: AdmissionMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_queued = max_queued
        self._max_wait_s = max_wait_s
        self._metrics = metrics
        self._clock = clock
        self._pressure = Pressure(max_in_flight, clock)
        self._callers: deque[_Place] = deque()
        self._patient: deque[tuple[float, _Place]] = deque()
        self._patient_in_flight = 0
        self._patient_turn_at = -math.inf
        self.in_flight = 0
        metrics.queued.set_function(lambda: self.queued)
        metrics.overloaded.set_function(lambda: self._pressure.overloaded)

    @property
    def limit(self) -> int:
        """Pictures at Triton at most, for the moment."""
        return self._pressure.limit

    @property
    def queued(self) -> int:
        """Pictures that wait for their turn."""
        return len(self._callers) + len(self._patient)

    def check(self) -> None:
        """Refuse before a body is read that could not be let through anyway.

        Raises ServerOverloaded as `enter`.
        """
        reason = self._obstacle()
        if reason:
            self._pressure.offer()
            raise self._refusal(reason)

    @asynccontextmanager
    async def enter(
        self, receive: Receive | None = None, *, patient: bool = False
    ) -> AsyncIterator[Turn]:
        """Wait for a turn at Triton, which lasts until the block is left.

        A caller, whose request's `receive` notices that it hangs up, waits for max_wait_s at
        most. Work in the background (`patient`) waits for as long as it takes and gives way to
        callers; it must bound its own number.

        Raises ServerOverloaded with the time to try again after, when the queue is full, the wait
        too long, or more comes than can be recognised; CallerGoneError.
        """
        begun = self._clock()
        if not patient:
            self._pressure.offer()
            self._pressure.look(self.in_flight + len(self._callers))
            self._shed_waiting()
        if patient or self._callers or self.in_flight >= self.limit:
            await self._wait(receive, patient=patient)
        else:
            self.in_flight += 1
        waited_s = self._clock() - begun
        self._metrics.waited.labels("background" if patient else "callers").observe(waited_s)
        self._patient_in_flight += patient
        alone = self._pressure.begin(self.in_flight)
        begun, took_s = self._clock(), None
        try:
            yield Turn(waited_s)
            took_s = self._clock() - begun
        finally:
            self._patient_in_flight -= patient
            self.in_flight -= 1
            self._pressure.end(self.in_flight, took_s, alone=alone)
            self._next()

    async def _wait(self, receive: Receive | None, *, patient: bool) -> None:
        """Stand in line; on return the place is counted as in flight."""
        if not patient and (reason := self._obstacle()):
            raise self._refusal(reason)
        place: _Place = asyncio.get_running_loop().create_future()
        if patient:
            self._patient.append((self._clock(), place))
        else:
            self._callers.append(place)
        self._next()
        try:
            async with asyncio.timeout(None if patient else self._max_wait_s):
                await (place if receive is None else unless_gone(place, receive))
        except BaseException as error:
            self._leave_line(place)
            if isinstance(error, TimeoutError):
                raise self._refusal("late") from None
            raise

    def _leave_line(self, place: _Place) -> None:
        if place.done() and not place.cancelled() and place.exception() is None:
            # Its turn came in the same moment: the next one takes it.
            self.in_flight -= 1
        else:
            place.cancel()
            self._callers = deque(each for each in self._callers if each is not place)
            self._patient = deque(each for each in self._patient if each[1] is not place)
        self._next()

    def _next(self) -> None:
        """Give free turns to those who wait."""
        self._pressure.look(self.in_flight + len(self._callers))
        self._shed_waiting()
        while self.in_flight < self.limit:
            if self._patient and self._patient_is_next():
                _, place = self._patient.popleft()
                self._patient_turn_at = self._clock()
            elif self._callers:
                place = self._callers.popleft()
            else:
                break
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def _patient_is_next(self) -> bool:
        # Half the turns stay free for callers who come in this moment.
        if not self._callers and self.in_flight < max(1, self.limit // 2):
            return True
        asked, _ = self._patient[0]
        since = max(asked, self._patient_turn_at)
        return not self._patient_in_flight and self._clock() - since >= PATIENCE_S

    def _shed_waiting(self) -> None:
        """Under overload nobody waits: there are enough pictures at Triton as it is."""
        if self._pressure.overloaded:
            while self._callers:
                place = self._callers.popleft()
                if not place.done():
                    place.set_exception(self._refusal("overload"))

    def _obstacle(self) -> Shed | None:
        """Why a caller cannot be let in now; None where it can, or may wait."""
        if self.in_flight < self.limit and not self._callers:
            return None
        if self._pressure.overloaded:
            return "overload"
        if len(self._callers) >= self._max_queued:
            return "full"
        rate = self._pressure.rate
        return "late" if rate and len(self._callers) / rate > self._max_wait_s else None

    def _refusal(self, reason: Shed) -> ServerOverloaded:
        self._metrics.shed[reason].inc()
        wait = self._pressure.retry_after(self.in_flight + len(self._callers))
        # Spread, or those who were refused together would come again together.
        seconds = min(MAX_RETRY_AFTER_S, math.ceil(wait * random.uniform(1.0, 1.5)))
        return ServerOverloaded(
            f"{self.in_flight} pictures are being recognised and {len(self._callers)} wait "
            f"({reason}). Try again shortly. Where Triton can take more, raise "
            "DECKWATCH_MAX_IN_FLIGHT; where callers may wait longer, DECKWATCH_MAX_QUEUED and "
            "DECKWATCH_MAX_WAIT_S.",
            retry_after_s=seconds,
        )


class HeldBytes:
    """Counts the bytes of all request bodies in memory and refuses to go over `limit`.

    What is counted is what has arrived, not what a Content-Length promises: otherwise a few
    callers that promise much and send nothing would lock out everyone else.
    """

    def __init__(self, limit: int, metrics: AdmissionMetrics) -> None:
        self.limit = limit
        self.held = 0
        self._metrics = metrics

    def take(self, size: int) -> None:
        """Raises ServerOverloaded when `size` more bytes would be too many."""
        if self.held + size > self.limit:
            self._metrics.shed["memory"].inc()
            raise ServerOverloaded(
                f"{self.held:,} bytes of request bodies are in memory and {size:,} more would "
                f"exceed the {self.limit:,} allowed. Try again shortly, or raise "
                "DECKWATCH_MAX_HELD_BYTES where there is memory for it."
            )
        self.held += size

    def give_back(self, size: int) -> None:
        """Stop counting `size` bytes that were taken."""
        self.held -= size
