"""The gateway's Prometheus metrics, all named deckwatch_gateway_*.

Labels are bounded: routes are templates, methods and codes come from fixed sets, stages are the
four below. One registry per application, so that two of them in one process do not mix. Several
gateways are several processes with an address each, and Prometheus adds them up.
"""

from __future__ import annotations

import platform

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from deckwatch_client.version import installed_version
from deckwatch_gateway import traces
from deckwatch_gateway.metrics_pictures import PictureMetrics
from deckwatch_serving.keep.interest import REASONS
from deckwatch_serving.keep.keeper import OUTCOMES, Outcome
from deckwatch_vision.result import ReleaseInfo

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "deckwatch_gateway_"

# What a recognition passes through in the gateway: reading the body, reading the picture's
# header, waiting for Triton, and drawing where an overlay was asked for.
STAGES = ("body", "header", "triton", "overlay")

# Seconds. A picture takes 10-100 ms on a CPU; the ends are a probe and a deadline.
BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075,
    0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"


class Stage:
    """Counts the seconds of one stage, and notes them in the trace of the request at hand."""

    def __init__(self, name: str, seconds: Histogram) -> None:
        self._name = name
        self._seconds = seconds

    def observe(self, seconds: float) -> None:
        """The stage took so many seconds and ended now."""
        self._seconds.observe(seconds, traces.exemplar())
        if self._name != "triton":  # `Recognition` traces that one itself, to tell Triton of it
            traces.past(self._name, seconds)


class Metrics:
    """What the gateway counts; `exposition()` is the body of /metrics.

    `cameras` of the pictures' cameras get lines of their own.
    """

    def __init__(self, *, cameras: int = 100) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.pictures = PictureMetrics(self.registry, PREFIX, cameras=cameras)
        self._requests = Counter(
            PREFIX + "requests",
            "Answers given, by route, method and HTTP status (499: the caller hung up).",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            PREFIX + "request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._problems = Counter(
            PREFIX + "problems",
            "Requests that were not answered as wished, by the code in the problem body.",
            ("route", "code"),
            registry=self.registry,
        )
        stages = Histogram(
            PREFIX + "stage_seconds",
            "Time a recognition spends in each stage; `triton` is the wait for its answer.",
            ("stage",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.stages = {stage: Stage(stage, stages.labels(stage)) for stage in STAGES}
        self.requests_open = Gauge(
            PREFIX + "requests_open", "Requests being answered now.", registry=self.registry
        )
        self.in_flight = Gauge(
            PREFIX + "in_flight", "Pictures at Triton now.", registry=self.registry
        )
        self.in_flight_limit = Gauge(
            PREFIX + "in_flight_limit", "Pictures at Triton at most.", registry=self.registry
        )
        self.held_bytes = Gauge(
            PREFIX + "held_bytes", "Bytes of request bodies in memory.", registry=self.registry
        )
        pictures = Counter(
            PREFIX + "keep_pictures",
            "Answered pictures that the keeper was offered, by what became of them.",
            ("outcome",),
            registry=self.registry,
        )
        self._keep_pictures = {each: pictures.labels(each) for each in OUTCOMES}
        reasons = Counter(
            PREFIX + "keep_reasons",
            "Why pictures were kept; one picture may have several reasons.",
            ("reason",),
            registry=self.registry,
        )
        self._keep_reasons = {each: reasons.labels(each) for each in REASONS}
        self.ready = Gauge(PREFIX + "ready", "1 while /readyz says yes.", registry=self.registry)
        self._release = Info(
            PREFIX + "release", "The release that gave the latest answer.", registry=self.registry
        )
        self._seen: ReleaseInfo | None = None
        build = Info(PREFIX + "build", "Which gateway this is.", registry=self.registry)
        build.info({"version": installed_version(), "python": platform.python_version()})

    def count(self, route: str, method: str, status: int, code: str | None, seconds: float) -> None:
        """Note one answered request; `code` is its problem's, None when all went well."""
        self._requests.labels(route, method if method in METHODS else "other", status).inc()
        self._seconds.labels(route).observe(seconds, traces.exemplar())
        if code is not None:
            self._problems.labels(route, code).inc()

    def saw_release(self, release: ReleaseInfo) -> None:
        """Note which release answered."""
        if release != self._seen:
            self._seen = release
            self._release.info({"name": release.name, "version": str(release.version)})

    def count_offer(self, outcome: Outcome, reasons: tuple[str, ...]) -> None:
        """Note what became of a picture that the keeper was offered."""
        self._keep_pictures[outcome].inc()
        if outcome == "kept":
            for reason in reasons:
                self._keep_reasons[reason].inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All of it and its content type: OpenMetrics where `accept` asks for it.

        Only OpenMetrics has room for the traces that values belong to.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
