"""How many connections there may be at once, together and from one address."""

from __future__ import annotations

import resource
from collections import Counter
from typing import Protocol

from deckwatch_gateway.admission_metrics import AdmissionMetrics
from deckwatch_gateway.logs import log
from deckwatch_gateway.proxies import Network, parse_address
from deckwatch_gateway.rate import network

# Files that are open beside connections: the log, the queue, gRPC, pictures that are kept.
OTHER_FILES = 256


class Connection(Protocol):
    """What is counted."""

    @property
    def peer(self) -> str:
        """The address at its other end."""

    @property
    def idle(self) -> bool:
        """Whether it was answered and waits for a next request."""

    def close_idle(self) -> None:
        """Close it."""


class Connections:
    """Counts connections and makes room for new ones, by closing idle ones.

    At most `most` in all, and `per_address` from one address that is neither this machine's nor
    a trusted proxy's, behind which everybody may be.
    """

    def __init__(
        self,
        *,
        most: int,
        per_address: int,
        trusted: tuple[Network, ...],
        metrics: AdmissionMetrics,
    ) -> None:
        self._most = most
        self._per_address = per_address
        self._trusted = trusted
        self._metrics = metrics
        self._all: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()

    def add(self, connection: Connection) -> bool:
        """Count a new connection; False where it is one too many and no idle one could go."""
        whose = network(connection.peer)
        crowded = self._counts[whose] >= self._per_address and not self._exempt(connection.peer)
        if crowded and not self._close_idle(whose):
            self._metrics.limited["connections"].inc()
            return False
        if len(self._all) >= self._most and not self._close_idle():
            self._metrics.limited["connections"].inc()
            return False
        self._all[connection] = whose
        self._counts[whose] += 1
        return True

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection, if it was counted."""
        whose = self._all.pop(connection, None)
        if whose is not None:
            self._counts[whose] -= 1
            if not self._counts[whose]:
                del self._counts[whose]

    def _close_idle(self, whose: str | None = None) -> bool:
        """Close the oldest idle connection, of one address or of any."""
        for connection, address in self._all.items():
            if whose in (None, address) and connection.idle:
                self.remove(connection)
                connection.close_idle()
                return True
        return False

    def _exempt(self, peer: str) -> bool:
        address = parse_address(peer)
        if address is None:  # a socket without addresses
            return True
        return address.is_loopback or any(address in each for each in self._trusted)


def allow_files(connections: int) -> None:
    """Let the process open as many files as that takes, if it may; told where it may not."""
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning(
            "fewer files may be open than DECKWATCH_MAX_CONNECTIONS needs; raise `ulimit -n`",
            allowed=allowed,
            wanted=wanted,
        )
