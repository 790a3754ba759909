"""What is done with one event: labels where it has none, their delivery, and a note of the outcome.

Labels are stored before they are sent, so that a kill in between sends the very same bytes again;
see `deckwatch_gateway.camio.store`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from deckwatch_gateway import traces
from deckwatch_gateway.camio.delivery import Callbacks
from deckwatch_gateway.camio.event import CamioEventError
from deckwatch_gateway.camio.labeller import Labelled, Labeller
from deckwatch_gateway.camio.metrics import CamioMetrics
from deckwatch_gateway.camio.store import Claim, Store
from deckwatch_gateway.logs import log
from deckwatch_vision.errors import DeckwatchError

# Triton comes back for all events at once: they need not wait as long as for a lost receiver.
LONGEST_FOR_TRITON_S = 30.0
# An event past its age whose work ended so often without a word takes the gateway down with it.
MOST_UNFINISHED = 5
INTERNAL = "The gateway failed over this event; its log says why."


@dataclass(frozen=True, slots=True)
class Pace:
    """When to try again and when to give up, in seconds."""

    max_age_s: float
    retry_first_s: float
    retry_longest_s: float

    def wait_s(self, attempts: int) -> float:
        """Exponential backoff with full jitter: what failed together comes again spread out."""
        ceiling = self.retry_first_s * 2.0 ** min(attempts, 60)
        return random.uniform(0, min(self.retry_longest_s, ceiling))


class Steps:
    """Brings events further; `keep` is offered what was recognised, once its labels stand."""

    def __init__(
        self,
        store: Store,
        labeller: Labeller,
        callbacks: Callbacks,
        pace: Pace,
        metrics: CamioMetrics,
        keep: Callable[[Labelled], Awaitable[None]],
    ) -> None:
        self._store = store
        self._labeller = labeller
        self._callbacks = callbacks
        self._pace = pace
        self._metrics = metrics
        self._keep = keep

    async def advance(self, claim: Claim) -> float | None:
        """Do what is next for the event, up to its end where all goes well.

        Gives the seconds until the next try, None where there is none. Raises QueueUnavailable;
        the claim's lease then decides when it goes on.
        """
        begun = time.monotonic()
        unfinished = claim.entry.unfinished - 1
        if claim.age_s >= self._pace.max_age_s and unfinished > MOST_UNFINISHED:
            await self._dead(claim, f"Work on it ended {unfinished} times without a word.")
            return None
        attempts = claim.entry.attempts
        answer = claim.answer
        if answer is None and not claim.body:
            await self._dead(claim, "The queue's server has lost the event's pictures.")
            return None
        if answer is None:
            try:
                labelled = await self._labeller.label(claim.body, claim.entry.id)
            except CamioEventError as error:
                await self._dead(claim, error.reason)
                return None
            except DeckwatchError as error:
                self._metrics.postponed.inc()
                reason = f"Not recognised: {error.code}."
                wait_s = min(self._pace.wait_s(attempts), LONGEST_FOR_TRITON_S)
                return await self._later(claim, begun, reason, wait_s, detail=str(error))
            answer = await self._store.label(claim, labelled.answer)
            if answer is None:  # forgotten meanwhile
                return None
            attempts = 0
            if answer == labelled.answer:
                await self._keep(labelled)
        return await self._send(claim, begun, answer, attempts)

    async def failed(self, claim: Claim) -> float | None:
        """Note that `advance` raised what nobody foresaw."""
        wait_s = self._pace.wait_s(claim.entry.attempts)
        return await self._later(claim, time.monotonic(), INTERNAL, wait_s)

    async def _send(self, claim: Claim, begun: float, answer: bytes, attempts: int) -> float | None:
        with traces.calling("callback") as call:
            outcome = await self._callbacks.post(claim.callback_url, answer)
            call.facts["deckwatch.outcome"] = outcome.kind
        if outcome.kind == "delivered":
            self._metrics.callbacks["delivered"].inc()
            if await self._store.delivered(claim):
                age_s = claim.age_s + time.monotonic() - begun
                self._metrics.seconds.observe(age_s)
                log.info("event delivered", **_facts(claim), age_s=round(age_s, 3))
            return None
        if outcome.kind == "refused":
            self._metrics.callbacks["refused"].inc()
            await self._dead(claim, outcome.reason)
            return None
        self._metrics.callbacks["retried"].inc()
        wait_s = max(self._pace.wait_s(attempts), outcome.retry_after_s or 0.0)
        return await self._later(claim, begun, outcome.reason, wait_s)

    async def _later(
        self, claim: Claim, begun: float, reason: str, wait_s: float, **facts: object
    ) -> float | None:
        """Postpone it, or put it aside once it is too old."""
        age_s = claim.age_s + time.monotonic() - begun
        if age_s >= self._pace.max_age_s:
            await self._dead(claim, f"Too old after {age_s:.0f} s. {reason}")
            return None
        if not await self._store.postpone(claim, wait_s, reason):
            return None
        log.info(
            "event postponed", **_facts(claim), reason=reason, wait_s=round(wait_s, 3), **facts
        )
        return wait_s

    async def _dead(self, claim: Claim, reason: str) -> None:
        if await self._store.dead(claim, reason):
            self._metrics.dead.inc()
            log.error("event put aside", **_facts(claim), reason=reason)


def _facts(claim: Claim) -> dict[str, object]:
    """What the log tells of an event."""
    entry = claim.entry
    return {
        "event_id": entry.id,
        "key": entry.key_name,
        "camera": entry.camera,
        "images": entry.images,
        "host": entry.host,
    }
