"""Which of the kept pictures a person should label first.

A picture is worth its interest (`deckwatch_serving.keep.interest`), less the more pictures of the
same vessel, of the same answer, and of the same look are asked for before it: fifty sharks from one
hook teach less than five from ten vessels.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from deckwatch_serving.keep import Kept
from deckwatch_vision.likeness import distances

# Bits in which two pictures of one scene differ. Wider than for near duplicates: it does not throw
# a picture out, it makes it wait.
ALIKE = 12
# What a picture is still worth after one that looks like it.
WORTH_AGAIN = 0.4


def rank(records: Iterable[Kept], limit: int | None = None) -> list[Kept]:
    """The `limit` records (None: all) most worth labelling, the best first; the same every time."""
    worth = _Worth()
    # Worth only ever falls, so the old worth of a waiting picture is an upper bound: the first of
    # the heap is the best if its worth of now is not below the next one's of then.
    heap = [(-worth.of(kept), kept.sha256, kept) for kept in records]
    heapq.heapify(heap)
    picked: list[Kept] = []
    while heap and (limit is None or len(picked) < limit):
        _, sha256, kept = heapq.heappop(heap)
        now = -worth.of(kept)
        if heap and (now, sha256) > heap[0][:2]:
            heapq.heappush(heap, (now, sha256, kept))
            continue
        picked.append(kept)
        worth.picked(kept)
    return picked


class _Worth:
    """The worth of a picture after those that were picked."""

    def __init__(self) -> None:
        self._units: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._looks: dict[str, list[int]] = {}

    def of(self, kept: Kept) -> float:
        crowd = (1 + self._units[_unit(kept)]) * (1 + self._answers[kept.answer])
        return float(kept.score * WORTH_AGAIN ** self._alike(kept) / np.sqrt(crowd))

    def picked(self, kept: Kept) -> None:
        self._units[_unit(kept)] += 1
        self._answers[kept.answer] += 1
        self._looks.setdefault(_unit(kept), []).append(kept.likeness)

    def _alike(self, kept: Kept) -> int:
        looks = self._looks.get(_unit(kept))
        if not looks:
            return 0
        return int((distances(kept.likeness, np.array(looks, np.uint64)) <= ALIKE).sum())


def _unit(kept: Kept) -> str:
    """The vessel, else the camera: what a data set would be split by."""
    return kept.origin.vessel or kept.origin.camera or ""


def count(picked: Sequence[Kept]) -> list[tuple[str, str, int]]:
    """How many pictures of each reason, answer, vessel and time of day, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for kept in picked:
        counts.update(("reason", name) for name in kept.reasons)
        answers = {fish.label for fish in kept.result.fish} or {kept.result.label}
        counts.update(("answer", code) for code in answers)
        counts["vessel", _unit(kept) or "not known"] += 1
        counts["time", "night" if kept.night else "day"] += 1
    order = ("reason", "answer", "vessel", "time")
    rows = sorted(counts.items(), key=lambda row: (order.index(row[0][0]), -row[1], row[0][1]))
    return [(kind, name, number) for (kind, name), number in rows]
