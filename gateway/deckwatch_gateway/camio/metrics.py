"""What is counted of the exchange with Camio, all named deckwatch_gateway_camio_*.

The gauges tell of the queue, which gateways may share: take the maximum over them, not the sum.
"""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deckwatch_gateway.camio.store import Tally
from deckwatch_gateway.metrics import PREFIX

Received = Literal[
    "accepted", "duplicate", "empty", "malformed", "refused", "full", "unavailable", "wrong-key"
]
Sent = Literal["delivered", "retried", "refused"]
Image = Literal["recognised", "unreadable"]
# Seconds from an event's arrival to its labels being taken: a second in good times, then the
# retries, up to a day.
BUCKETS = (
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0,
)  # fmt: skip


class CamioMetrics:
    """Counters and gauges of the exchange, in the registry of the gateway's own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        name = PREFIX + "camio_"
        events = Counter(
            name + "events", "Events received, by what became of them.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self.events = {each: events.labels(each) for each in get_args(Received)}
        callbacks = Counter(
            name + "callbacks", "Labels sent, by what came of it.", ("outcome",), registry=registry
        )
        self.callbacks = {each: callbacks.labels(each) for each in get_args(Sent)}
        images = Counter(
            name + "images", "Images of events that were looked at.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self.images = {each: images.labels(each) for each in get_args(Image)}
        self.postponed = Counter(
            name + "recognition_postponed",
            "Events whose recognition failed and is tried again later.",
            registry=registry,
        )
        self.dead = Counter(
            name + "dead", "Events put aside because they could not be answered.", registry=registry
        )
        self.forgotten = Counter(
            name + "forgotten",
            "Events put aside that were kept long enough, or were too many.",
            registry=registry,
        )
        self.seconds = Histogram(
            name + "seconds",
            "From an event's arrival to its labels being taken.",
            buckets=BUCKETS,
            registry=registry,
        )
        self._pending = Gauge(
            name + "pending", "Events that wait for recognition or delivery.", registry=registry
        )
        self._oldest = Gauge(
            name + "oldest_seconds", "Age of the oldest event that waits.", registry=registry
        )
        self._put_aside = Gauge(
            name + "put_aside", "Events put aside, for `deckwatch camio replay`.", registry=registry
        )
        self._bytes = Gauge(
            name + "queue_bytes", "Bytes of events in the queue.", registry=registry
        )
        self.up = Gauge(
            name + "queue_up", "1 while the queue can be read and written.", registry=registry
        )

    def saw(self, tally: Tally) -> None:
        """Note how much there is in the queue."""
        self._pending.set(tally.pending)
        self._oldest.set(tally.oldest_s)
        self._put_aside.set(tally.dead)
        self._bytes.set(tally.held_bytes)
