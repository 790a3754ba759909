"""Sets that grow together: what is connected by any chain of pairs ends up in one."""

from __future__ import annotations

from collections.abc import Iterable


class Unions:
    """Disjoint sets of the numbers 0 to n - 1 (union-find with path halving)."""

    def __init__(self, n: int):
        self._above = list(range(n))

    def find(self, i: int) -> int:
        """The smallest number in the set of `i`."""
        above = self._above
        while above[i] != i:
            above[i] = above[above[i]]
            i = above[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Make the sets of two numbers one."""
        i, j = self.find(i), self.find(j)
        if i != j:
            self._above[max(i, j)] = min(i, j)

    def join_all(self, members: Iterable[int]) -> None:
        """Make the sets of all these numbers one."""
        first: int | None = None
        for i in members:
            if first is None:
                first = i
            else:
                self.join(first, i)

    def groups(self, least: int = 1) -> list[list[int]]:
        """The sets of at least so many members, each ascending, in the order of their smallest."""
        found: dict[int, list[int]] = {}
        for i in range(len(self._above)):
            found.setdefault(self.find(i), []).append(i)
        return [group for group in found.values() if len(group) >= least]
