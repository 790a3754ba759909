"""Dividing vessels into folds: each vessel in exactly one, pictures and species in equal shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from deckwatch_vision.errors import UsageError


def fold_of(units: Sequence[str], k: int, species: Sequence[Sequence[str]] = ()) -> list[int]:
    """The fold (0 to k - 1) of every row; rows of one unit are in the same one.

    The largest unit is placed first, each where it overfills least: every fold should have a k-th
    of the rows, and of each species. The same rows give the same folds in whatever order.

    Args:
        units: what must not be divided (the vessel), of every row.
        k: how many folds, at least 2.
        species: what is to be seen in every row, if that should be balanced as well.

    Raises:
        UsageError: there are fewer units than folds.
    """
    count = Counter(units)
    if k < 2 or len(count) < k:
        raise UsageError(
            f"{k} folds of {len(count)} vessels (or cameras, or groups): every fold needs one of "
            f"its own, and there must be two. Give --folds from 2 to {len(count)}."
        )
    shares = _shares(units, species)
    load = np.zeros((k, next(iter(shares.values())).size))
    placed: dict[str, int] = {}
    for unit in sorted(count, key=lambda name: (-count[name], name)):
        # A fold that is still empty comes first: none may stay so.
        cost = load @ shares[unit] - (load.sum(1) == 0)
        placed[unit] = int(np.argmin(cost))
        load[placed[unit]] += shares[unit]
    return [placed[unit] for unit in units]


def _shares(
    units: Sequence[str], species: Sequence[Sequence[str]]
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Of every unit the share of all rows, and of all that is seen of each species."""
    codes = sorted({code for seen in species for code in seen})
    columns = {code: 1 + i for i, code in enumerate(codes)}
    counts = {unit: np.zeros(1 + len(codes)) for unit in units}
    for i, unit in enumerate(units):
        # The rows weigh as much as all species together.
        counts[unit][0] += max(1, len(codes))
        for code in species[i] if species else ():
            counts[unit][columns[code]] += 1
    total = np.sum(list(counts.values()), axis=0)
    weight = np.ones(1 + len(codes))
    weight[0] = max(1, len(codes)) ** 0.5
    return {unit: row / total * weight for unit, row in counts.items()}
