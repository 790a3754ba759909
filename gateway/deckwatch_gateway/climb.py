"""Looking for the smallest number that gives (nearly) the best rate, by trying.

A server that gathers batches does more a second the more it has at hand; one that does not only
makes everybody wait longer. No formula tells the two apart, a try does.
"""

from __future__ import annotations

# One step up or down; half as much again shows in the rate where it helps at all.
STEP = 1.5
# A step up must bring so much, a step down may cost so much, or it is taken back.
GAIN, COST = 1.08, 0.97
# Periods between tries once one was not worth it, and after many of those: a try costs callers.
REST, LONG_REST = 8, 64


class Climb:
    """Holds `value`, between `least` and `most`; give it the rate of every period.

    `up` is the direction of the first try.
    """

    def __init__(self, value: float, *, least: float, most: float, up: bool = True) -> None:
        self._least = least
        self._most = most
        self.value = self._within(value)
        self._up = up
        self._left = 1  # the first period still works off what came before it
        self._rest = REST
        self._before: tuple[float, float] | None = None  # value and rate before the try

    def period(self, rate: float) -> None:
        """A period with `value` ended in which there was always more to do; judge and go on."""
        if self._before is not None:
            value, before = self._before
            self._before = None
            if rate < before * (GAIN if self._up else COST):
                self.value = value
                self._turn()
                return
            self._rest = REST
        if self._left:
            self._left -= 1
            return
        tried = self._within(self.value * STEP if self._up else self.value / STEP)
        if tried == self.value:
            self._turn()
            return
        self._before = self.value, rate
        self.value = tried

    def _turn(self) -> None:
        """Rest, and then try the other way."""
        self._up = not self._up
        self._left = self._rest
        self._rest = min(LONG_REST, 2 * self._rest)

    def _within(self, value: float) -> float:
        return min(self._most, max(self._least, value))
