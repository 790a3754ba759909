"""Numbers that say how good a release is, with bootstrap intervals over groups (vessels, tanks).

Pictures of one group resemble each other, so drawing pictures one by one would make every interval
too narrow; whole groups are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deckwatch_vision.fusion import softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DRAWS = 500
# Bins of the calibration error, as in Guo et al.
BINS = 15
# Standard deviation of the logarithm of a fitted temperature or sharpness: a factor of 1.65.
PRIOR_DEVIATION = 0.5


def log_loss(found: Floats, truth: Ints) -> float:
    """Mean negative log likelihood of [N, C] rows, floored at 1e-15 as Kaggle does."""
    picked = found[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(picked, 1e-15, 1)).mean())


def reliability(found: Floats, truth: Ints, bins: int = BINS) -> list[dict[str, float]]:
    """How often the top class is right, by how sure it is: bins of equal width that are not empty.

    Each with its `low` and `high` edge, the `count` of rows, their mean `confidence` and their
    `accuracy` (the reliability diagram of Guo et al., 1706.04599).
    """
    sure, right = found.max(1), found.argmax(1) == truth
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(sure, edges[1:-1], right=True), 0, bins - 1)
    rows = []
    for each in np.unique(place):
        within = place == each
        rows.append(
            {
                "low": float(edges[each]), "high": float(edges[each + 1]),
                "count": int(within.sum()),
                "confidence": float(sure[within].mean()), "accuracy": float(right[within].mean()),
            }
        )  # fmt: skip
    return rows


def calibration_error(found: Floats, truth: Ints, bins: int = BINS) -> float:
    """Expected calibration error of the top class, equal-width bins (Guo et al., 1706.04599)."""
    rows = reliability(found, truth, bins)
    return sum(row["count"] * abs(row["accuracy"] - row["confidence"]) for row in rows) / len(truth)


def accuracy(found: Floats, truth: Ints) -> float:
    """Share of the rows whose most likely class is the true one."""
    return float((found.argmax(1) == truth).mean())


def recalls(found: Floats, truth: Ints) -> dict[int, float]:
    """Share of each class that was named rightly; classes that do not occur are left out."""
    right = found.argmax(1) == truth
    return {int(c): float(right[truth == c].mean()) for c in np.unique(truth)}


def precisions(found: Floats, truth: Ints) -> dict[int, float]:
    """Share of the rows named as a class that are of it; classes that are never named left out."""
    named = found.argmax(1)
    return {int(c): float((truth[named == c] == c).mean()) for c in np.unique(named)}


def confusion(found: Floats, truth: Ints) -> Ints:
    """How many rows of each true class (rows) were named as each class (columns); [C, C]."""
    classes = found.shape[1]
    cells = np.bincount(truth * classes + found.argmax(1), minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def macro_recall(found: Floats, truth: Ints) -> float:
    """The mean of the classes' recalls."""
    return float(np.mean(list(recalls(found, truth).values())))


def fit_temperature(logits: Floats, truth: Ints) -> float:
    """The temperature of least log loss (Guo et al., section 4.2), to 1 %, between 0.25 and 4.

    A handful of rows must not make it extreme: its logarithm has a normal prior round 0, which
    weighs as much as few rows do and nothing beside hundreds. Without rows it is 1.
    """
    if not len(truth):
        return 1.0
    grid = np.exp(np.linspace(np.log(0.25), np.log(4), 279))
    losses = [log_loss(softmax(logits, t), truth) + prior(t, len(truth)) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)


def prior(scale: float, rows: int) -> float:
    """What a scale factor away from 1 costs in log loss a row, where it is fitted on few rows."""
    return float(np.log(scale) ** 2 / (2 * PRIOR_DEVIATION**2 * rows))


@dataclass(frozen=True)
class Hits:
    """One picture's answer against its truth at IoU 0.5.

    Scores in descending order, which of them are right, how many fish there are.
    """

    scores: NDArray[np.float32]
    right: NDArray[np.bool_]
    fish: int
    group: str


class Ranking:
    """The boxes of many pictures, best first, so that drawing pictures anew sorts nothing."""

    def __init__(self, rows: Sequence[Hits]):
        scores = _joined([row.scores for row in rows], np.float32)
        order = np.argsort(-scores, kind="mergesort")
        self._right = _joined([row.right for row in rows], np.bool_)[order]
        self._picture = np.repeat(np.arange(len(rows)), [len(row.scores) for row in rows])[order]
        self._fish = np.array([row.fish for row in rows], np.int64)

    def ap50(self, drawn: Ints | None = None) -> float:
        """COCO's AP at IoU 0.5: precision, made monotone, at 101 recalls; 0 without fish.

        drawn: how often each picture counts (once each by default).
        """
        counts = np.ones(len(self._fish), np.int64) if drawn is None else drawn
        fish, weight = int(counts @ self._fish), counts[self._picture]
        if not fish or not weight.any():
            return 0.0
        kept = weight > 0
        weight, right = weight[kept], self._right[kept]
        hits, count = np.cumsum(weight * right), np.cumsum(weight)
        precision = np.maximum.accumulate((hits / count)[::-1])[::-1]
        place = np.searchsorted(hits / fish, np.linspace(0, 1, 101), side="left")
        return float(np.append(precision, 0.0)[np.minimum(place, len(precision))].mean())


def _joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate(parts) if len(parts) else np.zeros(0, kind)


def average_precision_50(rows: Sequence[Hits]) -> float:
    """COCO's AP at IoU 0.5: precision, made monotone, at 101 recalls; 0 without fish."""
    return Ranking(rows).ap50()


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
    scores = _joined([row.scores for row in rows], np.float32)
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
    groups: Sequence[str], measure: Callable[[Ints], float], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of `measure` (rows drawn -> number) over `DRAWS` draws of groups.

    groups: of each row, in the order of the rows. Draws in which the measure is not defined (NaN)
    are left out; (NaN, NaN) where there are not two groups to draw from.
    """
    low, high = intervals(groups, lambda drawn: np.array([measure(drawn)]), seed)[0]
    return float(low), float(high)


def intervals(groups: Sequence[str], measure: Callable[[Ints], Floats], seed: int = 0) -> Floats:
    """`interval` for a measure that gives M numbers at once: [M, 2] low and high ends."""
    found: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        found.setdefault(group, []).append(i)
    members = [np.array(found[name], np.int64) for name in sorted(found)]
    if len(members) < 2:
        # One vessel says nothing about others: no interval is better than one of no width.
        return np.full((len(measure(np.arange(len(groups)))), 2), np.nan)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(DRAWS):
        chosen = rng.integers(0, len(members), len(members))
        values.append(measure(np.concatenate([members[j] for j in chosen])))
    return np.array([_middle(column) for column in np.stack(values, axis=1)])


def _middle(values: Floats) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)
