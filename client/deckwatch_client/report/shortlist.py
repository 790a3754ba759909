"""The best of a long stream, kept in bounded memory."""

from __future__ import annotations

import heapq
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

    def offer(self, key: float, item: Item) -> None:
        """Take the item if it is among the best so far."""
        self.seen += 1
        # The running number is unique, so items themselves are never compared.
        entry = (key, -self.seen, item)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry[:2] > self._heap[0][:2]:
            heapq.heapreplace(self._heap, entry)

    def takes(self, key: float) -> bool:
        """Whether an item of this key would be kept: to be asked where making it costs."""
        return len(self._heap) < self._size or bool(self._heap and key > self._heap[0][0])

    def best(self) -> list[tuple[float, Item]]:
        """Keys and items, the highest first."""
        ordered = sorted(self._heap, key=lambda entry: entry[:2], reverse=True)
        return [(key, item) for key, _, item in ordered]
