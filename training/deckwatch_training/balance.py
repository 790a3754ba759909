"""Weights that make every species count the same within each group of vessels.

Pictures of a trip are mostly of one or two species; a net trained on them as they come learns to
say those. A weight is how often a picture should be seen, relative to the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping

Cell = tuple[Hashable, str]  # a vessel group and a species code


def count(cells: Iterable[Cell]) -> Counter[Cell]:
    """How many examples each vessel group has of each species."""
    return Counter(cells)


def weights(
    counts: Mapping[Cell, int],
    *,
    sensitive: Collection[str] = (),
    sensitive_factor: float = 1.0,
    equal_vessels: bool = False,
) -> dict[Cell, float]:
    """The weight of one example of each vessel group and species.

    Within a vessel group every species weighs the same in sum, a sensitive one `sensitive_factor`
    times as much. A vessel group weighs as much as it has examples, or as much as every other with
    `equal_vessels`. All weights together sum to the number of examples, so their mean is 1.
    """
    totals: Counter[Hashable] = Counter()
    shares: dict[Hashable, float] = {}
    for (vessel, species), number in counts.items():
        if number:
            totals[vessel] += number
            share = sensitive_factor if species in sensitive else 1.0
            shares[vessel] = shares.get(vessel, 0.0) + share
    everything = sum(totals.values())
    found = {}
    for (vessel, species), number in counts.items():
        if not number:
            continue
        of_vessel = everything / len(totals) if equal_vessels else totals[vessel]
        share = (sensitive_factor if species in sensitive else 1.0) / shares[vessel]
        found[vessel, species] = of_vessel * share / number
    return found
