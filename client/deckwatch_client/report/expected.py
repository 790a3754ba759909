"""How many animals of each class there are among those found, with an interval.

Each animal found is of class c with the chance p_c (see `animals`), whatever it was called. Taken
as independent draws, the number N_c that truly are of the class follows the Poisson-binomial
distribution: mean sum(p), variance sum(p (1 - p)). Its characteristic function is the product of
1 - p + p exp(i w); at a fixed grid of frequencies that product is kept up to date animal by animal,
so a run of any length takes the same memory, and one discrete Fourier transform gives the
distribution exactly (Y. Hong, "On computing the distribution function for the Poisson binomial
distribution", Computational Statistics & Data Analysis 59, 2013, section 2).

A grid of G frequencies tells counts apart modulo G. That is no loss while G is wide beside the
standard deviation; beyond, the refined normal approximation is used (same paper, section 3.2, after
A. Yu. Volkova, Theory of Probability & Its Applications 40, 1996), which corrects the normal one by
the skewness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95

# Frequencies, and how many standard deviations of the distribution they have to hold. A tail
# beyond 8 of them is below 1e-14.
_GRID, _WIDTH = 512, 16
# Animals folded in at a time: numpy's overhead is paid once for all of them.
_BATCH = 128


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected number of animals of a class; with 95 % it is within `low` to `high`."""

    mean: float
    low: int
    high: int


class ExpectedCounts:
    """Sums up chances, animal by animal, for all classes at once."""

    def __init__(self, classes: int) -> None:
        self._animals = 0
        self._waiting: list[Sequence[float]] = []
        # Sums of p, of p (1 - p) and of p (1 - p) (1 - 2 p): the first three cumulants.
        self._cumulants = np.zeros((3, classes))
        self._product = np.ones((classes, _GRID // 2 + 1), np.complex128)
        self._turns = np.exp(-2j * np.pi * np.arange(_GRID // 2 + 1) / _GRID)

    def add(self, chances: Sequence[float]) -> None:
        """One animal: its chance to be of every class, 0 to 1, in class order."""
        self._waiting.append(chances)
        if len(self._waiting) == _BATCH:
            self._fold()

    def expected(self) -> list[Expected]:
        """For every class, in class order."""
        self._fold()
        mean, variance, third = self._cumulants
        return [
            Expected(float(mean[place]), *self._interval(place, mean[place], variance, third))
            for place in range(len(mean))
        ]

    def _fold(self) -> None:
        if not self._waiting:
            return
        chances = np.clip(np.array(self._waiting, np.float64), 0.0, 1.0)
        self._animals += len(chances)
        self._waiting.clear()
        spread = chances * (1 - chances)
        self._cumulants += [
            chances.sum(axis=0),
            spread.sum(axis=0),
            (spread * (1 - 2 * chances)).sum(axis=0),
        ]
        factors = 1 + chances[:, :, None] * (self._turns - 1)
        self._product *= factors.prod(axis=0)

    def _interval(
        self, place: int, mean: float, variance: NDArray[np.float64], third: NDArray[np.float64]
    ) -> tuple[int, int]:
        deviation = math.sqrt(variance[place])
        tail = (1 - CONFIDENCE) / 2
        if deviation * _WIDTH > _GRID:
            skewness = float(third[place]) / deviation**3
            low = _refined_quantile(tail, mean, deviation, skewness)
            high = _refined_quantile(1 - tail, mean, deviation, skewness)
        else:
            first, cumulated = self._distribution(place, mean)
            low = first + int(np.searchsorted(cumulated, tail))
            high = first + int(np.searchsorted(cumulated, 1 - tail))
        return max(0, low), min(self._animals, high)

    def _distribution(self, place: int, mean: float) -> tuple[int, NDArray[np.float64]]:
        """The lowest count looked at, and the distribution function from there on."""
        chances = np.fft.irfft(self._product[place], _GRID)
        first = max(0, round(mean) - _GRID // 2)
        return first, np.cumsum(np.roll(chances, -(first % _GRID)))


def _refined_quantile(share: float, mean: float, deviation: float, skewness: float) -> int:
    """The least count whose distribution function reaches `share`."""

    def reached(count: int) -> float:
        x = (count + 0.5 - mean) / deviation
        density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        normal = math.erfc(-x / math.sqrt(2)) / 2
        return normal + skewness * (1 - x * x) * density / 6

    low, high = math.floor(mean - 6 * deviation), math.ceil(mean + 6 * deviation)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= share else (middle, high)
    return high
