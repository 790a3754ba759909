"""How fast pictures are recognised, and whether more of them come than that.

A fixed number of pictures at Triton fits one machine only: two instances on a laptop are busy
with four and everything beyond waits, a GPU that gathers batches wants dozens. So the number
follows from what is measured, by Little's law, pictures inside = rate x time inside:

- `rate`, pictures a second while any is at Triton, over the last seconds;
- how long one takes that has Triton to itself.

With twice their product at Triton, a picture takes about twice as long as alone: enough to keep
every instance busy, and a wait that a caller hardly sees. Under overload, when there is always
more to do, `climb` tries whether more at once gives a better rate.

Whether a line of waiting callers is a burst, which passes, or overload, which does not, is told
by what comes against what leaves: eight cameras that fire at the same second, or sixteen clients
that each wait for their answer, offer no more than is finished. Nobody of them is refused.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from deckwatch_gateway.climb import Climb

FACTOR = 2.0
# Two instances busy and two pictures on their way to them, on the smallest machine there is; and
# two more under overload, for turns that are free until the next caller comes. Measured with four
# on two cores, results came at 0.84 of the best rate, and p99 was that of half the load.
LEAST, USUAL = 4, 6
# While callers do not wait for long, Triton may gather so many times as many for its batches.
LOOSE = 4

SLOT_S = 0.125
LONG_S = 5.0
# Overload is a line that stands for the first time, while over the second, which must be shorter
# lest the burst that began the line be counted, more comes than leaves by the third.
SUDDEN = (0.5, 0.375, 1.4)
CREEPING = (2.0, 1.5, 1.1)
# Callers come at random: by so many more than that.
CHANCE = 2
# And so much at most comes when it is over.
EVEN = 1.05
PERIOD_S, PERIOD_PICTURES = 0.5, 40
SAMPLES = 10


@dataclass(slots=True)
class _Slot:
    begun: float
    offered: int = 0
    gone: int = 0
    finished: int = 0
    busy_s: float = 0.0


class Pressure:
    """Watches what comes to a gate and what leaves it.

    `most` pictures are at Triton at once, whatever is measured. `clock` gives seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._slots: deque[_Slot] = deque([_Slot(clock())])
        self._last = clock()
        self._at_triton = 0
        self._standing_since: float | None = None
        self._overloaded_since: float | None = None
        self._rate = 0.0
        self._rated: _Slot | None = None
        self._alone_s = 0.0
        self._samples = 0
        self._climb: Climb | None = None
        self._period_since = 0.0
        self._period_finished = 0

    @property
    def overloaded(self) -> bool:
        """Whether more comes than can be recognised, and has for a while."""
        return self._overloaded_since is not None

    @property
    def rate(self) -> float:
        """Pictures recognised a second while Triton has any; 0 until one was."""
        slot = self._now()
        if slot is not self._rated or not self._rate:
            self._rated = slot  # once a slot is often enough, and every request asks
            total = self._over(LONG_S)
            if total.finished and total.busy_s:
                self._rate = total.finished / total.busy_s
        return self._rate

    @property
    def limit(self) -> int:
        """Pictures at Triton at most, for the moment."""
        if self.overloaded and self._climb:
            return min(self._most, round(self._climb.value))
        return min(self._most, LOOSE * self._enough)

    @property
    def _enough(self) -> int:
        return max(LEAST, math.ceil(FACTOR * self.rate * self._alone_s))

    def retry_after(self, inside: int) -> float:
        """Seconds after which another try has a chance; 0 where nothing was measured yet.

        The time until those inside have left and, under overload, as many seconds as callers
        come for one that is served: then their next tries come at the rate that can be served.
        """
        if not self.rate:
            return 0.0
        wait = inside / self.rate
        total = self._over(LONG_S)
        return wait + (total.offered / max(1, total.finished) if self.overloaded else 0.0)

    def offer(self) -> None:
        """Somebody wants a picture recognised, whatever will be said."""
        self._now().offered += 1

    def begin(self, at_triton: int) -> bool:
        """So many pictures are at Triton now, one more than before; whether it is alone."""
        self._now()
        self._at_triton = at_triton
        return at_triton == 1

    def end(self, at_triton: int, took_s: float | None, *, alone: bool) -> None:
        """So many are left; `took_s` is what the one that left took, None where it failed."""
        slot = self._now()
        self._at_triton = at_triton
        slot.gone += 1
        if took_s is None:
            return
        slot.finished += 1
        self._period_finished += 1
        if alone:
            self._samples = min(SAMPLES, self._samples + 1)
            self._alone_s += (took_s - self._alone_s) / self._samples

    def look(self, inside: int) -> None:
        """Judge anew, with so many pictures waiting or at Triton."""
        now = self._clock()
        if inside <= self._enough:
            self._standing_since = None
        elif self._standing_since is None:
            self._standing_since = now
        if self._overloaded_since is None:
            if self._standing_since is not None and (
                self._more_comes(now - self._standing_since, *SUDDEN)
                or self._more_comes(now - self._standing_since, *CREEPING)
            ):
                self._begin_overload(now)
            return
        self._try(now)
        if now - self._overloaded_since >= LONG_S:
            total = self._over(LONG_S)
            if total.offered <= EVEN * total.gone + 1:
                self._overloaded_since = self._standing_since = None

    def _more_comes(self, stood_s: float, standing_s: float, over_s: float, more: float) -> bool:
        if stood_s < standing_s:
            return False
        recent = self._over(over_s)
        return recent.offered > more * recent.gone + CHANCE

    def _begin_overload(self, now: float) -> None:
        self._overloaded_since = self._period_since = now
        self._period_finished = 0
        # What was found during the overload before is better than the formula.
        if self._climb is None:
            enough = self._enough
            self._climb = Climb(max(USUAL, enough), least=LEAST, most=self._most, up=enough > USUAL)

    def _try(self, now: float) -> None:
        lasted = now - self._period_since
        if self._climb and self._period_finished >= PERIOD_PICTURES and lasted >= PERIOD_S:
            self._climb.period(self._period_finished / lasted)
            self._period_since, self._period_finished = now, 0

    def _now(self) -> _Slot:
        now = self._clock()
        slot = self._slots[-1]
        if self._at_triton:
            slot.busy_s += now - self._last
        self._last = now
        if now - slot.begun >= SLOT_S:
            slot = _Slot(now)
            self._slots.append(slot)
            while now - self._slots[0].begun > LONG_S:
                self._slots.popleft()
        return slot

    def _over(self, seconds: float) -> _Slot:
        """The sums of the last `seconds`."""
        self._now()
        begun = self._clock() - seconds
        total = _Slot(begun)
        for slot in reversed(self._slots):
            if slot.begun < begun:
                break
            total.offered += slot.offered
            total.gone += slot.gone
            total.finished += slot.finished
            total.busy_s += slot.busy_s
        return total
