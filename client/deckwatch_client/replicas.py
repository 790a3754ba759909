"""Which of several Triton servers is asked next: balancing, ejection, probation. No I/O here.

Each caller knows only its own calls. The least busy replica is asked, equals in turn. One that
fails is ejected: at once when it is gone, otherwise after a few failures in a row or among its
latest calls (where one of two instances of a step crashed, every second call fails). After a
probation that doubles each time it has to answer a probe before it gets traffic again; so has a
new one. Where all are out, they are asked all the same: a bad guess beats a sure failure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from deckwatch_client.channel import Clock
from deckwatch_vision.errors import (
    DeadlineExceeded,
    ImageError,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
)

# Attempts of one call while the replicas it meets are gone; failures are tried once more only.
ATTEMPTS_GONE = 3
ATTEMPTS_FAILED = 2


class Outcome(Enum):
    """What one call says of the replica that was asked."""

    ANSWERED = "answered"
    FAILED = "failed"  # it may be sick
    GONE = "gone"  # it is away
    UNKNOWN = "unknown"  # full, or the call was given up: neither for nor against it


@dataclass(frozen=True, slots=True)
class Policy:
    """When a replica is ejected, for how long, and how often a call may be made twice."""

    failures_in_a_row: int = 3
    failures_of_latest: int = 5
    latest: int = 20
    first_probation_s: float = 1.0
    longest_probation_s: float = 60.0
    # A replica that has been in service this long starts over with the first probation.
    forgiven_after_s: float = 300.0
    # Second attempts of calls that failed half-way, as a share of all calls: where every picture
    # fails, asking for each of them twice would only double the load.
    retry_share: float = 0.2
    hedge_share: float = 0.05


@dataclass(slots=True, eq=False)
class Replica:
    """One server and what is known of it."""

    address: str
    in_flight: int = 0
    in_service: bool = False
    removed: bool = False
    probing: bool = False
    ejections: int = 0
    out_until: float = 0.0
    since: float = 0.0
    failures: int = 0
    latest: deque[bool] = field(default_factory=deque)  # True is a failure


@dataclass(slots=True)
class Call:
    """One picture on its way, perhaps to several replicas; see `TritonClient.infer`."""

    data: bytes | memoryview
    file: str | None
    request_id: str
    headers: Mapping[str, str] | None
    clock: Clock
    tried: list[Replica] = field(default_factory=list)


class Budget:
    """Allows a share of all calls to be made twice, and a few more at once after a quiet time."""

    def __init__(self, share: float, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = most

    def earn(self) -> None:
        """Count one call."""
        self._saved = min(self._most, self._saved + self._share)

    def spend(self) -> bool:
        """Whether one call may be made twice."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class Replicas:
    """All replicas; not for use by several threads at once without a lock.

    Args:
        addresses: host:port of each.
        policy: see `Policy`.
        clock: seconds, for instance `time.monotonic`.
        tell: called with a replica and a reason whenever it comes into service or leaves it.
    """

    def __init__(
        self,
        addresses: Iterable[str] = (),
        *,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[Replica, str], None] = lambda replica, reason: None,
    ) -> None:
        self.policy = policy or Policy()
        self.retries = Budget(self.policy.retry_share)
        self.hedges = Budget(self.policy.hedge_share)
        self._clock = clock
        self._tell = tell
        self._turn = 0
        self._all: dict[str, Replica] = {}
        self.update(addresses)

    @property
    def all(self) -> tuple[Replica, ...]:
        """Every replica, in the order of their addresses' arrival."""
        return tuple(self._all.values())

    @property
    def ranked(self) -> list[Replica]:
        """Every replica, those in service first."""
        return sorted(self._all.values(), key=lambda each: not each.in_service)

    def update(self, addresses: Iterable[str]) -> tuple[list[Replica], list[Replica]]:
        """Take over a new list of addresses; the replicas that are new, and those that left.

        An empty list changes nothing: more likely the list is at fault than all servers.
        """
        wanted = dict.fromkeys(addresses)
        if not wanted:
            return [], []
        left = [each for address, each in self._all.items() if address not in wanted]
        for each in left:
            each.removed, each.in_service = True, False
            del self._all[each.address]
        new = [Replica(address) for address in wanted if address not in self._all]
        self._all |= {each.address: each for each in new}
        return new, left

    def pick(self, tried: Collection[Replica] = ()) -> Replica | None:
        """The replica to ask; None where every one there is was `tried` already."""
        free = [each for each in self._all.values() if each not in tried]
        free = [each for each in free if each.in_service] or free
        if not free:
            return None
        least = min(each.in_flight for each in free)
        equals = [each for each in free if each.in_flight == least]
        self._turn += 1
        return equals[self._turn % len(equals)]

    def begin(self, replica: Replica) -> bool:
        """A call goes to `replica`; whether it is a trial, because the replica is out."""
        replica.in_flight += 1
        return not replica.in_service

    def end(self, replica: Replica, outcome: Outcome, trial: bool = False) -> None:
        """A call to `replica` is over; `trial` is what `begin` said."""
        replica.in_flight -= 1
        if outcome is Outcome.UNKNOWN or replica.removed:
            return
        if replica.in_service:
            self._note(replica, outcome is not Outcome.ANSWERED)
            if outcome is Outcome.GONE or self._sick(replica):
                self._eject(replica, outcome.value)
        elif trial and outcome is Outcome.ANSWERED:
            # As good as a probe. An answer to a call from before the ejection is not: a replica
            # that fails half of its calls would be back at once.
            self._admit(replica)

    def due(self, most: int | None = None) -> list[Replica]:
        """The replicas to probe now, `most` of them; `probed` has to follow for each."""
        now = self._clock()
        found = [
            each
            for each in self._all.values()
            if not each.in_service and not each.probing and each.out_until <= now
        ][:most]
        for each in found:
            each.probing = True
        return found

    def probed(self, replica: Replica, outcome: Outcome) -> None:
        """What a probe of `replica` showed; where nothing, it is due again soon."""
        replica.probing = False
        if replica.removed or replica.in_service:
            return
        if outcome is Outcome.ANSWERED:
            self._admit(replica)
        elif outcome is Outcome.UNKNOWN:
            replica.out_until = self._clock() + self.policy.first_probation_s
        else:
            self._punish(replica)

    def next_due_s(self) -> float | None:
        """Seconds until a replica is due, None while none is out."""
        out = [
            each.out_until
            for each in self._all.values()
            if not each.in_service and not each.probing
        ]
        return max(0.0, min(out) - self._clock()) if out else None

    def may_retry(self, error: ServerError, attempts: int) -> bool:
        """Whether a call that failed with `error` after so many attempts may be made elsewhere."""
        if isinstance(error, ServerOverloaded | DeadlineExceeded):
            return False
        if isinstance(error, ServerUnavailable):
            # Nothing was begun, so nothing is done twice.
            return attempts < min(ATTEMPTS_GONE, len(self._all))
        return attempts < min(ATTEMPTS_FAILED, len(self._all)) and self.retries.spend()

    def _note(self, replica: Replica, failed: bool) -> None:
        replica.failures = replica.failures + 1 if failed else 0
        replica.latest.append(failed)
        if len(replica.latest) > self.policy.latest:
            replica.latest.popleft()

    def _sick(self, replica: Replica) -> bool:
        return (
            replica.failures >= self.policy.failures_in_a_row
            or sum(replica.latest) >= self.policy.failures_of_latest
        )

    def _eject(self, replica: Replica, reason: str) -> None:
        if self._clock() - replica.since > self.policy.forgiven_after_s:
            replica.ejections = 0
        replica.in_service = False
        self._punish(replica)
        self._tell(replica, reason)

    def _punish(self, replica: Replica) -> None:
        longest = self.policy.longest_probation_s
        # Bounded before it is raised to a power: a server may be away for a year.
        doubled = self.policy.first_probation_s * 2.0 ** min(replica.ejections, 30)
        replica.ejections += 1
        replica.out_until = self._clock() + min(doubled, longest)

    def _admit(self, replica: Replica) -> None:
        replica.in_service = True
        replica.since = self._clock()
        replica.failures = 0
        replica.latest.clear()
        self._tell(replica, Outcome.ANSWERED.value)


def outcome_of(error: BaseException | None) -> Outcome:
    """What a call that ended with `error` (None: with a result) says of its replica."""
    if isinstance(error, ServerUnavailable):
        return Outcome.GONE
    if isinstance(error, ServerOverloaded):
        return Outcome.UNKNOWN
    if isinstance(error, ServerError):
        return Outcome.FAILED
    # A picture that was refused was looked at; anything else is a call that was given up.
    answered = error is None or isinstance(error, ImageError)
    return Outcome.ANSWERED if answered else Outcome.UNKNOWN
