"""How often somebody may ask: token buckets, one for each, bounded in number."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

# About 100 bytes each. Whoever commands more addresses than this is not stopped by buckets.
MAX_BUCKETS = 50_000


class Buckets:
    """Lets everybody ask `per_s` times a second in the long run, `burst` times at once.

    `clock` gives seconds.
    """

    def __init__(
        self, per_s: float, burst: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause_s = 1 / per_s
        self._slack_s = (max(1.0, burst) - 1) * self._pause_s
        self._clock = clock
        # When each bucket is full again (the generic cell rate algorithm): one number does.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, who: str) -> float:
        """Seconds until `who` may ask again; 0 where now."""
        return max(0.0, self._full_at.get(who, 0.0) - self._slack_s - self._clock())

    def take(self, who: str) -> float:
        """Count one request of `who`; 0, or the seconds to wait where there were too many.

        A request that is refused does not count.
        """
        wait_s = self.wait_s(who)
        if not wait_s:
            self._full_at[who] = max(self._full_at.get(who, 0.0), self._clock()) + self._pause_s
            self._full_at.move_to_end(who)
            if len(self._full_at) > MAX_BUCKETS:
                self._full_at.popitem(last=False)
        return wait_s

    def __len__(self) -> int:
        return len(self._full_at)


def network(address: str) -> str:
    """Who stands behind an address: itself, or of IPv6 the /64 that one customer gets."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found.packed[:8] + bytes(8), 64)))
