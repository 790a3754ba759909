"""The metrics of the gateway as a table, from the objects that count them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

# What is appended to a family's name where it is queried.
SUFFIXES = {"counter": "_total", "info": "_info", "histogram": "_bucket"}


def gateway_metrics() -> list[tuple[Metric, tuple[str, ...]]]:
    """Every metric of ours that /metrics may hold, with its labels, by name."""
    from deckwatch_gateway.admission_metrics import AdmissionMetrics
    from deckwatch_gateway.camio.metrics import CamioMetrics
    from deckwatch_gateway.metrics import PREFIX, Metrics
    from deckwatch_gateway.servers import ServersCollector

    metrics = Metrics()
    AdmissionMetrics(metrics.registry)
    CamioMetrics(metrics.registry)
    found = [*_families(metrics.registry), *_described(ServersCollector())]
    ours = [each for each in found if each[0].name.startswith(PREFIX)]
    return sorted(ours, key=lambda each: each[0].name)


def queried_name(family: Metric) -> str:
    """The name that a query uses for a family."""
    return family.name + SUFFIXES.get(family.type, "")


def _families(registry: CollectorRegistry) -> list[tuple[Metric, tuple[str, ...]]]:
    # The labels of a metric without a value are told by the private attribute alone.
    return [
        (family, tuple(getattr(collector, "_labelnames", ())))
        for collector in registry._collector_to_names
        for family in collector.collect()
    ]


def _described(collector: object) -> list[tuple[Metric, tuple[str, ...]]]:
    families: list[Metric] = collector.describe()  # type: ignore[attr-defined]
    return [(family, tuple(family._labelnames)) for family in families]  # type: ignore[attr-defined]
