"""What the pictures show, as metrics: the distributions that tell when the world drifts away.

Everything here is bounded, whatever callers send: classes come from the release, and only the
first cameras seen have lines of their own.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from deckwatch_vision.result import ReleaseInfo, Result

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
COUNTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

OTHER, UNNAMED = "other", "unnamed"
# A name is a label of Prometheus: it goes over the wire with every scrape.
LONGEST_NAME = 64
# Releases whose answers are counted: that in use, and those around a swap or a rollback.
RELEASES = 10


class PictureMetrics:
    """Counts results in `registry`, under names that begin with `prefix`."""

    def __init__(self, registry: CollectorRegistry, prefix: str, *, cameras: int) -> None:
        self._most_cameras = cameras
        self._cameras: set[str] = set()
        self._releases: dict[ReleaseInfo, Counter] = {}
        self._pictures = Counter(
            prefix + "pictures",
            "Pictures recognised, by camera and by the label of the picture. Cameras beyond "
            "DECKWATCH_METRICS_CAMERAS are `other`, pictures without one `unnamed`.",
            ("camera", "label"),
            registry=registry,
        )
        self._by_release = Counter(
            prefix + "release_pictures",
            "Pictures recognised, by the release that answered; the latest ten.",
            ("name", "version"),
            registry=registry,
        )
        self._likelihood = Histogram(
            prefix + "likelihood",
            "Likelihood of a picture's label; it sinks where pictures differ from those of the "
            "training.",
            ("label",),
            buckets=SHARES,
            registry=registry,
        )
        self._fish = Histogram(
            prefix + "fish_per_picture",
            "Fish found in a picture.",
            buckets=COUNTS,
            registry=registry,
        )
        self._score = Histogram(
            prefix + "fish_score",
            "How sure a fish is, of every fish found.",
            buckets=SHARES,
            registry=registry,
        )

    def count(self, result: Result, camera: str | None) -> None:
        """Note the answer to one picture of `camera`."""
        self._pictures.labels(self._camera(camera), result.label).inc()
        self._release(result.release).inc()
        self._likelihood.labels(result.label).observe(result.likelihoods[result.label])
        self._fish.observe(len(result.fish))
        for fish in result.fish:
            self._score.observe(fish.score)

    def _camera(self, given: str | None) -> str:
        """The name to count a camera under."""
        if not given:
            return UNNAMED
        if given in self._cameras:
            return given
        # Lone surrogates, which JSON can carry, cannot be written into an answer.
        sane = len(given) <= LONGEST_NAME and given.isprintable()
        if not sane or len(self._cameras) >= self._most_cameras:
            return OTHER
        self._cameras.add(given)
        return given

    def _release(self, release: ReleaseInfo) -> Counter:
        if release not in self._releases:
            if len(self._releases) >= RELEASES:
                oldest = next(iter(self._releases))
                del self._releases[oldest]
                self._by_release.remove(oldest.name, oldest.version)
            self._releases[release] = self._by_release.labels(release.name, release.version)
        return self._releases[release]
