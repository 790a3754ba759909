"""What the gates count: who waits, who is sent away and why."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from deckwatch_gateway.metrics import BUCKETS, PREFIX

Shed = Literal["full", "late", "overload", "memory"]
Limit = Literal["key", "address", "attempts", "connections"]


class AdmissionMetrics:
    """Metrics of `admission`, `rate` and the connections, in the registry of the gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.queued = Gauge(
            PREFIX + "queued", "Pictures that wait for their turn at Triton.", registry=registry
        )
        self.overloaded = Gauge(
            PREFIX + "overloaded",
            "1 while more pictures come than can be recognised.",
            registry=registry,
        )
        self.waited = Histogram(
            PREFIX + "queue_wait_seconds",
            "How long a picture waited for its turn at Triton, by who sent it: a caller, or the "
            "gateway's own work in the background.",
            ("lane",),
            buckets=(0.0, *BUCKETS),
            registry=registry,
        )
        shed = Counter(
            PREFIX + "shed",
            "Requests refused with 503: the queue was full, their turn came too late, more came "
            "than can be recognised, or too many bytes were in memory.",
            ("reason",),
            registry=registry,
        )
        self.shed = {reason: shed.labels(reason) for reason in get_args(Shed)}
        limited = Counter(
            PREFIX + "limited",
            "Requests refused with 429 by the limit that they met (`attempts`: wrong keys), and "
            "connections refused because there were too many.",
            ("by",),
            registry=registry,
        )
        self.limited = {by: limited.labels(by) for by in get_args(Limit)}
