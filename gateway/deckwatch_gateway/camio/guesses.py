"""Wrong keys in paths: guessers are to be slowed down, a customer whose key was withdrawn is not.

All customers' events come from the same few addresses of Camio's. It goes on sending with a key
that is withdrawn until the hook is deleted, and that must not lock out the others.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

# About 150 bytes each.
REMEMBERED = 10_000


class Guesses:
    """Remembers which wrong keys an address showed already, as digests."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def is_new(self, address: str, presented: str) -> bool:
        """Whether this address shows this wrong key for the first time."""
        text = f"{address} {presented}".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(text).digest()
        new = digest not in self._seen
        self._seen[digest] = None
        self._seen.move_to_end(digest)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return new
