"""The Triton servers behind the gateway: opened from the settings, told of in log and metrics."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deckwatch_client.backends import AsyncTriton, open_async_triton
from deckwatch_client.replicas_async import AsyncReplicatedTriton
from deckwatch_gateway.logs import log
from deckwatch_gateway.metrics import PREFIX
from deckwatch_gateway.settings import Settings


def open_servers(settings: Settings, registry: CollectorRegistry) -> AsyncTriton:
    """A client of the one Triton, or of the many; call it in the event loop that serves."""
    triton = open_async_triton(
        settings.triton,
        timeout_s=settings.triton_timeout_s,
        hedge_after_s=settings.triton_hedge_ms / 1000 or None,
        tell=_tell,
    )
    servers = ServersCollector(triton if isinstance(triton, AsyncReplicatedTriton) else None)
    registry.register(servers)
    return triton


class ServersCollector(Collector):
    """Metrics of several servers, read when they are asked for; of a lone one there are none.

    Only the servers there are now have lines, however often pods come and go.
    """

    def __init__(self, triton: AsyncReplicatedTriton | None = None) -> None:
        self._triton = triton

    def describe(self) -> Iterable[Metric]:
        """The families without a value."""
        return [
            GaugeMetricFamily(
                PREFIX + "server_up",
                "1 while a Triton server gets pictures, 0 while it is out; only where "
                "DECKWATCH_TRITON names several.",
                labels=("server",),
            ),
            GaugeMetricFamily(
                PREFIX + "server_in_flight",
                "Pictures at a Triton server now.",
                labels=("server",),
            ),
            CounterMetricFamily(
                PREFIX + "server_retries",
                "Pictures that a Triton server failed at and that another one was asked for.",
            ),
            CounterMetricFamily(
                PREFIX + "server_hedges",
                "Pictures that two Triton servers were asked for because the first was slow, by "
                "which one's answer was taken.",
                labels=("won",),
            ),
        ]

    def collect(self) -> Iterable[Metric]:
        """The families as they are now."""
        triton = self._triton
        if triton is None:
            return
        up, in_flight, retries, hedges = self.describe()
        for each in triton.replicas:
            up.add_metric((each.address,), int(each.in_service))  # type: ignore[attr-defined]
            in_flight.add_metric((each.address,), each.in_flight)  # type: ignore[attr-defined]
        retries.add_metric((), triton.retried)  # type: ignore[attr-defined]
        hedges.add_metric(("second",), triton.hedges_won)  # type: ignore[attr-defined]
        hedges.add_metric(("first",), triton.hedged - triton.hedges_won)  # type: ignore[attr-defined]
        yield from (up, in_flight, retries, hedges)


def _tell(server: str, in_service: bool, reason: str) -> None:
    write = log.info if in_service else log.warning
    write("server in service" if in_service else "server out", server=server, reason=reason)
