"""Numbers with their bootstrap intervals over vessels, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deckwatch_training import metrics
from deckwatch_training.metrics import Floats, Ints

# [value, low, high]; None is not known.
Estimate = list[float | None]


def rounded(value: float) -> float | None:
    """To four decimals; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(float(value), 4)


def measured(groups: Sequence[str], measure: Callable[[Ints], float]) -> Estimate:
    """[value, low, high] of `measure`, which takes the rows drawn; the interval is over groups.

    All None without rows; low and high are None where there are not two groups to draw from.
    """
    if not groups:
        return [None, None, None]
    low, high = metrics.interval(groups, measure)
    return [rounded(v) for v in (measure(np.arange(len(groups))), low, high)]


def of_likelihoods(
    found: Floats, truth: Ints, groups: Sequence[str], measure: Callable[[Floats, Ints], float]
) -> Estimate:
    """A number of likelihoods [N, C] against the truth [N], with its interval."""
    return measured(groups, lambda drawn: measure(found[drawn], truth[drawn]))


def per_class(
    found: Floats, truth: Ints, groups: Sequence[str], codes: Sequence[str]
) -> dict[str, Any]:
    """Recall and precision of every class with intervals, macro recall, the confusion matrix.

    A class that does not occur has no recall and one that is never named no precision: they are
    left out. Rows of the confusion matrix are the truth, columns what was named, in the order of
    `codes`.
    """
    size = len(codes)
    cells = truth * size + found.argmax(1) if len(truth) else np.zeros(0, np.int64)

    def of_draw(drawn: Ints) -> Floats:
        table = np.bincount(cells[drawn], minlength=size**2).reshape(size, size)
        return table_measures(table)

    return class_measures(of_draw, groups, codes) | {
        "confusion": {
            code: row.tolist()
            for code, row in zip(
                codes, np.bincount(cells, minlength=size**2).reshape(size, size), strict=True
            )
        }
    }


def table_measures(table: Ints) -> Floats:
    """[macro recall, recall of each class, precision of each class] of a confusion matrix.

    The matrix may have one row and one column more than classes: fish that are none, fish that
    were missed. NaN where nothing is known.
    """
    right = np.diagonal(table).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = right / table.sum(1), right / table.sum(0)
    known = recall[~np.isnan(recall)]
    macro = known.mean() if len(known) else np.nan
    return np.concatenate(([macro], recall, precision))


def class_measures(
    of_draw: Callable[[Ints], Floats], groups: Sequence[str], codes: Sequence[str]
) -> dict[str, Any]:
    """Macro recall, recall and precision with their intervals, from `table_measures` of a draw."""
    if not groups:
        empty: dict[str, Any] = {"macro_recall": [None, None, None]}
        names = ("recall", "recall_interval", "precision", "precision_interval")
        return empty | {name: {} for name in names}
    values = of_draw(np.arange(len(groups)))
    bounds = metrics.intervals(groups, of_draw)
    parts: dict[str, Any] = {"macro_recall": [rounded(v) for v in (values[0], *bounds[0])]}
    for name, start in (("recall", 1), ("precision", 1 + len(codes))):
        known = {c: start + i for i, c in enumerate(codes) if not np.isnan(values[start + i])}
        parts[name] = {code: rounded(values[place]) for code, place in known.items()}
        parts[f"{name}_interval"] = {
            code: [rounded(v) for v in bounds[place]] for code, place in known.items()
        }
    return parts
