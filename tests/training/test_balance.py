"""Weights that balance species within vessels."""

from __future__ import annotations

from collections import Counter

import pytest

from deckwatch_training.balance import Cell, weights

COUNTS: Counter[Cell] = Counter(
    {("a", "ALB"): 90, ("a", "SHARK"): 10, ("b", "ALB"): 5, ("b", "YFT"): 15}
)


def _sums(found: dict[Cell, float]) -> dict[Cell, float]:
    return {cell: weight * COUNTS[cell] for cell, weight in found.items()}


def test_species_weigh_the_same_within_a_vessel() -> None:
    sums = _sums(weights(COUNTS))
    assert sums["a", "ALB"] == pytest.approx(sums["a", "SHARK"]) == 50
    assert sums["b", "ALB"] == pytest.approx(sums["b", "YFT"]) == 10
    assert sum(sums.values()) == pytest.approx(120)


def test_a_sensitive_species_weighs_its_factor() -> None:
    sums = _sums(weights(COUNTS, sensitive={"SHARK"}, sensitive_factor=3.0))
    assert sums["a", "SHARK"] == pytest.approx(3 * sums["a", "ALB"])
    assert sum(sums.values()) == pytest.approx(120)


def test_vessels_may_weigh_the_same() -> None:
    sums = _sums(weights(COUNTS, equal_vessels=True))
    assert sums["a", "ALB"] + sums["a", "SHARK"] == pytest.approx(60)
    assert sums["b", "ALB"] + sums["b", "YFT"] == pytest.approx(60)


def test_nothing_has_no_weight() -> None:
    assert weights({("a", "ALB"): 0}) == {}
