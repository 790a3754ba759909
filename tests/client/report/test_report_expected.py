"""Expected numbers: against the distribution worked out animal by animal."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from deckwatch_client.report.expected import Expected, ExpectedCounts

# Beta distributions from which likelihoods are drawn: doubtful, anything, sure, nearly never.
SHAPES = {"doubtful": (5, 5), "anything": (1, 1), "sure": (0.3, 0.3), "rare": (0.002, 1)}


def convolved(chances: NDArray[np.float64]) -> tuple[int, int]:
    """The central 95 % interval from the distribution, made by convolution."""
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, (1 - chance, chance))
    cumulated = np.cumsum(distribution)
    return int(np.searchsorted(cumulated, 0.025)), int(np.searchsorted(cumulated, 0.975))


def counted(rows: NDArray[np.float64]) -> list[Expected]:
    counts = ExpectedCounts(rows.shape[1])
    for row in rows.tolist():
        counts.add(row)
    return counts.expected()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("animals", [1, 2, 17, 128, 129, 1500])
def test_the_interval_is_that_of_the_distribution(shape: str, animals: int) -> None:
    chances = np.random.default_rng(animals).beta(*SHAPES[shape], (animals, 2))
    for place, found in enumerate(counted(chances)):
        assert found.mean == pytest.approx(chances[:, place].sum())
        assert (found.low, found.high) == convolved(chances[:, place])


def test_beyond_the_grid_the_approximation_is_as_good() -> None:
    # The standard deviation is 50: four times what the grid holds exactly.
    chances = np.random.default_rng(0).beta(2, 1, 14_000)[:, None]
    deviation = np.sqrt((chances * (1 - chances)).sum())
    assert 46 < deviation < 54
    (found,) = counted(chances)
    low, high = convolved(chances[:, 0])
    assert abs(found.low - low) <= 1
    assert abs(found.high - high) <= 1


def test_counts_far_above_the_grid_are_not_taken_modulo() -> None:
    sure = np.full((3000, 1), 0.999)
    (found,) = counted(sure)
    assert (found.low, found.high) == convolved(sure[:, 0])
    assert found.low > 2900


def test_the_interval_stays_between_none_and_all() -> None:
    rows = np.array([[0.0, 1.0, 0.5]] * 3)
    never, always, perhaps = counted(rows)
    assert (never.mean, never.low, never.high) == (0, 0, 0)
    assert (always.mean, always.low, always.high) == (3, 3, 3)
    assert (perhaps.low, perhaps.high) == (0, 3)


def test_nothing_found_is_nothing_expected() -> None:
    assert ExpectedCounts(2).expected() == [Expected(0, 0, 0)] * 2


def test_asking_half_way_changes_nothing() -> None:
    rows = np.random.default_rng(1).random((300, 1))
    counts = ExpectedCounts(1)
    for row in rows.tolist():
        counts.add(row)
        counts.expected()
    (found,) = counts.expected()
    (straight,) = counted(rows)
    assert (found.low, found.high) == (straight.low, straight.high)
    assert found.mean == pytest.approx(straight.mean)
