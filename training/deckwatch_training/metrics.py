"""Numbers that say how good a release is, with bootstrap intervals over groups (vessels, tanks).

Pictures of one group resemble each other, so drawing pictures one by one would make every interval
too narrow; whole groups are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deckwatch_vision.fusion import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DRAWS = 500


def log_loss(found: Floats, truth: Ints) -> float:
    """Mean negative log likelihood of [N, C] rows, floored at 1e-15 as Kaggle does."""
    picked = found[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-15, 1)).mean())


def calibration_error(found: Floats, truth: Ints, bins: int = 15) -> float:
    """Expected calibration error of the top class, equal-width bins (Guo et al., 1706.04599)."""
    sure, right = found.max(1), found.argmax(1) == truth
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(sure, edges[1:-1], right=True), 0, bins - 1)
    error = 0.0
    for each in np.unique(place):
        rows = place == each
        error += rows.mean() * abs(right[rows].mean() - sure[rows].mean())
    return float(error)


def accuracy(found: Floats, truth: Ints) -> float:
    """Share of the rows whose most likely class is the true one."""
    return float((found.argmax(1) == truth).mean())


def recalls(found: Floats, truth: Ints) -> dict[int, float]:
    """Share of each class that was named rightly; classes that do not occur are left out."""
    right = found.argmax(1) == truth
    return {int(c): float(right[truth == c].mean()) for c in np.unique(truth)}


def macro_recall(found: Floats, truth: Ints) -> float:
    """The mean of the classes' recalls."""
    return float(np.mean(list(recalls(found, truth).values())))


def fit_temperature(logits: Floats, truth: Ints) -> float:
    """The temperature of least log loss (Guo et al., section 4.2), to 1 %, between 0.25 and 4."""
    grid = np.exp(np.linspace(np.log(0.25), np.log(4), 279))
    losses = [log_loss(softmax(logits, t), truth) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


@dataclass(frozen=True)
class Hits:
    """One picture's answer against its truth at IoU 0.5.

    Scores in descending order, which of them are right, how many fish there are.
    """

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    fish: int
    group: str


def average_precision_50(rows: Sequence[Hits]) -> float:
    """COCO's AP at IoU 0.5: precision, made monotone, at 101 recalls."""
    fish = sum(row.fish for row in rows)
    scores = np.concatenate([row.scores for row in rows])
    if not fish or not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="mergesort")
    right = np.concatenate([row.right for row in rows])[order]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / fish, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())


@dataclass(frozen=True)
class Operating:
    """A detector at one threshold of its score."""

    threshold: float
    f1: float
    recall: float
    precision: float


def at_threshold(rows: Sequence[Hits], threshold: float) -> Operating:
    """F1, recall and precision of what scores at least `threshold`."""
    kept = [row.scores >= threshold for row in rows]
    hits = sum(int((row.right & k).sum()) for row, k in zip(rows, kept, strict=True))
    count, fish = sum(int(k.sum()) for k in kept), sum(row.fish for row in rows)
    return Operating(
        threshold, 2 * hits / max(1, count + fish), hits / max(1, fish), hits / max(1, count)
    )


def best_f1(rows: Sequence[Hits]) -> Operating:
    """The threshold with the best F1."""
    scores = np.concatenate([row.scores for row in rows])
    fish = sum(row.fish for row in rows)
    if not len(scores) or not fish:
        return Operating(1.0, 0.0, 0.0, 0.0)
    order = np.argsort(-scores, kind="mergesort")
    hits = np.cumsum(np.concatenate([row.right for row in rows])[order])
    best = int(np.argmax(2 * hits / (np.arange(1, len(hits) + 1) + fish)))
    return at_threshold(rows, float(scores[order][best]))


def false_alarms(rows: Sequence[Hits], threshold: float) -> tuple[int, int]:
    """(pictures without fish on which fish are reported, pictures without fish)."""
    empty = [row for row in rows if not row.fish]
    return sum(bool((row.scores >= threshold).any()) for row in empty), len(empty)


def interval(
    groups: Sequence[str], measure: Callable[[list[int]], float], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of `measure` (rows drawn -> number) over `DRAWS` draws of groups.

    groups: of each row, in the order of the rows.
    """
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    names = sorted(members)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(DRAWS):
        drawn = [i for j in rng.integers(0, len(names), len(names)) for i in members[names[j]]]
        values.append(measure(drawn))
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
