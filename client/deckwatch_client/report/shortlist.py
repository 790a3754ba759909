"""The best of a long stream, kept in bounded memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Shortlist(Generic[Item]):
    """Keeps the `size` items of the highest keys; of equal keys those that came first.

    `seen` counts all that were offered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Item]] = []
        self.seen = 0

    def offer(self, key: float, make: Callable[[], Item]) -> None:
        """Take what `make` gives if it is among the best so far; otherwise it is not called."""
        self.seen += 1
        # The running number is unique, so items themselves are never compared.
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (key, -self.seen, make()))
        elif self._heap and key > self._heap[0][0]:
            heapq.heapreplace(self._heap, (key, -self.seen, make()))

    def best(self) -> list[tuple[float, Item]]:
        """Keys and items, the highest first."""
        ordered = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        return [(key, item) for key, _, item in ordered]
