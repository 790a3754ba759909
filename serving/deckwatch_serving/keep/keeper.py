"""The keeper: looks at answered pictures in the background and keeps those worth labelling."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from deckwatch_serving.keep.interest import Interest, Policy, cells, judge
from deckwatch_serving.keep.record import Kept, Origin
from deckwatch_serving.keep.store import Store
from deckwatch_vision.daylight import is_night
from deckwatch_vision.headers import read_header
from deckwatch_vision.likeness import perceptual_hash, thumbnail
from deckwatch_vision.result import Result

Outcome = Literal["kept", "duplicate", "outranked", "dull", "dropped", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("kept", "duplicate", "outranked", "dull", "dropped", "failed")

QUEUE, QUEUE_BYTES = 64, 64 * 1024**2
# Dull pictures are decoded to see whether it is night in one of so many. A night lasts for hours
# and is not missed; decoding every picture would take a tenth of a core from recognition.
LOOK_EVERY = 8


@dataclass(frozen=True, slots=True)
class _Offer:
    data: bytes
    result: Result
    origin: Origin


class Keeper:
    """Takes offers without ever waiting or raising, and works through them in a thread.

    count: told of every picture's outcome, with the reasons of a kept one. tell: told once when
    keeping begins to fail, with the error, and once when it works again (None).
    """

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        count: Callable[[Outcome, tuple[str, ...]], None] = lambda outcome, reasons: None,
        tell: Callable[[Exception | None], None] = lambda error: None,
        queue_pictures: int = QUEUE,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._store, self._policy = store, policy
        self._count, self._tell = count, tell
        self._offers: queue.SimpleQueue[_Offer | None] = queue.SimpleQueue()
        self._limits = (queue_pictures, queue_bytes)
        self._lock = threading.Lock()
        self._waiting, self._waiting_bytes = 0, 0
        self._closed, self._failing = False, False
        self._looked = 0
        # A daemon, so that a store that hangs cannot keep a process from ending.
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._thread.start()

    def offer(self, data: bytes, result: Result, origin: Origin | None = None) -> None:
        """Consider a picture that was answered; dropped where too many wait already."""
        with self._lock:
            full = (
                self._waiting >= self._limits[0]
                or self._waiting_bytes + len(data) > self._limits[1]
            )
            if not full and not self._closed:
                self._waiting += 1
                self._waiting_bytes += len(data)
                self._offers.put(_Offer(data, result, origin or Origin()))
                return
        self._count("dropped", ())

    def close(self, timeout_s: float = 5.0) -> None:
        """Take no more offers, and work through those that wait for at most `timeout_s` seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._offers.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            while (offer := self._offers.get()) is not None:
                outcome, reasons = self._attempt(offer)
                with self._lock:
                    self._waiting -= 1
                    self._waiting_bytes -= len(offer.data)
                self._count(outcome, reasons)
        finally:
            with suppress(Exception):
                self._store.close()

    def _attempt(self, offer: _Offer) -> tuple[Outcome, tuple[str, ...]]:
        try:
            outcome, reasons = self._consider(offer)
        except Exception as error:  # whatever it is: answers must not suffer from it
            if not self._failing:
                self._failing = True
                self._tell(error)
            return "failed", ()
        if self._failing and outcome in ("kept", "duplicate", "outranked"):
            self._failing = False
            self._tell(None)
        return outcome, reasons

    def _consider(self, offer: _Offer) -> tuple[Outcome, tuple[str, ...]]:
        sha256 = offer.result.image.sha256 or hashlib.sha256(offer.data).hexdigest()
        seen = self._store.notice(cells(offer.origin, night=None))
        interest = judge(offer.result, self._policy, seen, sha256=sha256)
        self._looked += 1
        if interest.score < self._policy.least and self._looked % LOOK_EVERY:
            return "dull", ()
        small = thumbnail(offer.data)
        night = is_night(small)
        if night:
            nights = [each for each in cells(offer.origin, night) if each.startswith("night:")]
            seen |= self._store.notice(nights)
            interest = judge(offer.result, self._policy, seen, sha256=sha256)
        if interest.score < self._policy.least:
            return "dull", ()
        kept = _record(offer, sha256, interest, night, perceptual_hash(small))
        return self._store.keep(kept, offer.data), tuple(interest.reasons)


def _record(offer: _Offer, sha256: str, interest: Interest, night: bool, likeness: int) -> Kept:
    return Kept(
        sha256=sha256,
        format=read_header(offer.data).format,
        size=len(offer.data),
        score=interest.score,
        reasons=interest.reasons,
        origin=offer.origin,
        night=night,
        likeness=likeness,
        kept_at=datetime.now(UTC).isoformat(timespec="seconds"),
        result=offer.result,
    )
