"""The choice among several servers, with a clock that tests turn by hand."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from deckwatch_client.replicas import Budget, Outcome, Policy, Replica, Replicas, outcome_of
from deckwatch_client.replicas_addresses import Addresses, parse_addresses
from deckwatch_vision.errors import (
    BrokenImage,
    DeadlineExceeded,
    ServerError,
    ServerOverloaded,
    ServerUnavailable,
    UsageError,
)

GOOD, BAD, GONE, UNKNOWN = Outcome.ANSWERED, Outcome.FAILED, Outcome.GONE, Outcome.UNKNOWN


class Clock:
    """Seconds, as many as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """Three replicas in service, and what was told of them."""

    def __init__(self, *addresses: str, policy: Policy | None = None) -> None:
        self.clock = Clock()
        self.told: list[tuple[str, bool, str]] = []
        self.replicas = Replicas(
            addresses or ("a:1", "b:1", "c:1"),
            policy=policy,
            clock=self.clock,
            tell=lambda each, why: self.told.append((each.address, each.in_service, why)),
        )
        for each in self.replicas.due():
            self.replicas.probed(each, GOOD)
        self.told.clear()

    def named(self, address: str) -> Replica:
        return next(each for each in self.replicas.all if each.address == address)

    def call(self, outcome: Outcome, address: str | None = None) -> Replica:
        replica = self.replicas.pick() if address is None else self.named(address)
        assert replica is not None
        self.replicas.end(replica, outcome, self.replicas.begin(replica))
        return replica

    def in_service(self) -> str:
        return "".join(each.address[0] for each in self.replicas.all if each.in_service)


def test_equals_take_turns() -> None:
    world = World()
    asked = Counter(world.call(GOOD).address for _ in range(300))
    assert asked == {"a:1": 100, "b:1": 100, "c:1": 100}


def test_the_least_busy_is_asked() -> None:
    world = World()
    for address, calls in (("a:1", 2), ("c:1", 1)):
        for _ in range(calls):
            world.replicas.begin(world.named(address))
    assert world.replicas.pick() is world.named("b:1")
    world.replicas.begin(world.named("b:1"))
    picked = Counter(each.address for _ in range(100) if (each := world.replicas.pick()))
    assert picked == {"b:1": 50, "c:1": 50}


def test_busy_replicas_end_up_with_equally_many() -> None:
    """Of a thousand calls of any length no replica ever has two more than another."""
    world, dice, running = World(), random.Random(3), list[Replica]()
    for _ in range(1000):
        if running and dice.random() < 0.45:
            world.replicas.end(running.pop(dice.randrange(len(running))), GOOD)
        before = [each.in_flight for each in world.replicas.all]
        picked = world.replicas.pick()
        assert picked is not None
        assert picked.in_flight == min(before)
        world.replicas.begin(picked)
        running.append(picked)


def test_gone_is_out_at_once() -> None:
    world = World()
    world.call(GONE, "b:1")
    assert world.in_service() == "ac"
    assert world.told == [("b:1", False, "gone")]
    assert {world.call(GOOD).address for _ in range(10)} == {"a:1", "c:1"}


def test_failures_in_a_row() -> None:
    world = World()
    for outcome in (BAD, BAD, GOOD, BAD, BAD, UNKNOWN):
        world.call(outcome, "a:1")
    assert world.in_service() == "abc"
    world.call(BAD, "a:1")
    assert world.in_service() == "bc"


def test_every_second_call_fails() -> None:
    world = World()
    for _ in range(4):
        world.call(BAD, "a:1")
        world.call(GOOD, "a:1")
    assert world.in_service() == "abc"
    world.call(BAD, "a:1")
    assert world.in_service() == "bc"


def test_a_failure_now_and_then_is_forgotten() -> None:
    world = World()
    for number in range(1000):
        world.call(BAD if number % 10 == 0 else GOOD, "a:1")
    assert world.in_service() == "abc"


def test_full_replicas_and_calls_given_up_say_nothing() -> None:
    world = World()
    for _ in range(50):
        world.call(UNKNOWN, "a:1")
    assert world.in_service() == "abc"
    assert world.named("a:1").in_flight == 0


def test_probation_doubles_up_to_a_minute() -> None:
    world = World()
    world.call(GONE, "a:1")
    pauses = []
    for _ in range(9):
        pause = world.replicas.next_due_s()
        assert pause is not None
        pauses.append(pause)
        world.clock.now += pause - 0.001
        assert world.replicas.due() == []
        world.clock.now += 0.001
        (due,) = world.replicas.due()
        assert world.replicas.due() == [], "one probe at a time"
        assert world.replicas.next_due_s() is None
        world.replicas.probed(due, GONE)
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    world.clock.now += 60
    (due,) = world.replicas.due()
    world.replicas.probed(due, GOOD)
    assert world.in_service() == "abc"
    assert world.replicas.next_due_s() is None


def test_a_replica_that_comes_and_goes_stays_away_longer_and_longer_until_it_behaved() -> None:
    world = World()

    def pause_after_ejection() -> float:
        world.call(GONE, "a:1")
        pause = world.replicas.next_due_s()
        assert pause is not None
        world.clock.now += pause
        world.replicas.probed(world.replicas.due()[0], GOOD)
        return pause

    assert [pause_after_ejection() for _ in range(3)] == pytest.approx([1, 2, 4])
    world.clock.now += 301
    assert pause_after_ejection() == pytest.approx(1)


def test_a_probe_that_showed_nothing_is_repeated_soon() -> None:
    world = World()
    world.call(GONE, "a:1")
    world.clock.now += 1
    world.replicas.probed(world.replicas.due()[0], UNKNOWN)
    assert world.replicas.next_due_s() == pytest.approx(1)


def test_all_out_all_are_asked_and_an_answer_brings_one_back() -> None:
    world = World()
    for address in ("a:1", "b:1", "c:1"):
        world.call(GONE, address)
    assert world.in_service() == ""
    assert {world.call(BAD).address for _ in range(9)} == {"a:1", "b:1", "c:1"}
    back = world.call(GOOD)
    assert world.in_service() == back.address[0]


def test_an_answer_from_before_the_ejection_brings_nothing_back() -> None:
    world = World()
    replica = world.named("a:1")
    trial = world.replicas.begin(replica)
    world.call(GONE, "a:1")
    world.replicas.end(replica, GOOD, trial)
    assert world.in_service() == "bc"


def test_a_new_replica_has_to_answer_a_probe_first() -> None:
    world = World("a:1", "b:1")
    new, left = world.replicas.update(["b:1", "d:1"])
    assert [each.address for each in new] == ["d:1"]
    assert [each.address for each in left] == ["a:1"]
    assert left[0].removed
    assert {world.call(GOOD).address for _ in range(10)} == {"b:1"}
    world.replicas.probed(world.replicas.due()[0], GOOD)
    assert {world.call(GOOD).address for _ in range(10)} == {"b:1", "d:1"}


def test_what_a_replica_that_left_still_answers_changes_nothing() -> None:
    world = World("a:1", "b:1")
    replica = world.named("a:1")
    trial = world.replicas.begin(replica)
    world.call(GONE, "b:1")
    world.clock.now += 1
    probed = world.replicas.due()[0]
    world.replicas.update(["c:1"])
    world.replicas.end(replica, GONE, trial)
    world.replicas.probed(probed, GOOD)
    assert [each.address for each in world.replicas.all] == ["c:1"]
    assert world.in_service() == ""
    assert replica.in_flight == 0


def test_an_empty_list_changes_nothing() -> None:
    world = World()
    assert world.replicas.update([]) == ([], [])
    assert world.in_service() == "abc"


def test_tried_replicas_are_not_tried_again() -> None:
    world = World()
    tried: list[Replica] = []
    for _ in range(3):
        replica = world.replicas.pick(tried)
        assert replica is not None
        tried.append(replica)
    assert len(set(tried)) == 3
    assert world.replicas.pick(tried) is None
    world.call(GONE, "a:1")
    assert world.replicas.pick([world.named("b:1"), world.named("c:1")]) is world.named("a:1")


def test_what_may_be_tried_again() -> None:
    replicas = World().replicas
    assert replicas.may_retry(ServerUnavailable("away"), 1)
    assert replicas.may_retry(ServerUnavailable("away"), 2)
    assert not replicas.may_retry(ServerUnavailable("away"), 3)
    assert replicas.may_retry(ServerError("broken"), 1)
    assert not replicas.may_retry(ServerError("broken"), 2)
    assert not replicas.may_retry(ServerOverloaded("full"), 1)
    assert not replicas.may_retry(DeadlineExceeded("late"), 1)
    assert not World("a:1").replicas.may_retry(ServerUnavailable("away"), 1)


def test_second_attempts_are_a_share_of_all_calls() -> None:
    """However many pictures fail everywhere, the load on the replicas grows by a fifth."""
    replicas = World().replicas
    again = 0
    for _ in range(1000):
        replicas.retries.earn()
        again += replicas.may_retry(ServerError("broken"), 1)
    assert 200 <= again <= 210
    assert replicas.may_retry(ServerUnavailable("away"), 1), "that costs nothing"


def test_a_budget_saves_only_so_much() -> None:
    budget = Budget(0.5, most=3)
    for _ in range(100):
        budget.earn()
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, GOOD),
        (BrokenImage("cut off"), GOOD),
        (ServerUnavailable("away"), GONE),
        (ServerError("stub died"), BAD),
        (DeadlineExceeded("late"), BAD),
        (ServerOverloaded("full"), UNKNOWN),
        (KeyboardInterrupt(), UNKNOWN),
    ],
)
def test_what_an_error_says_of_the_replica(error: BaseException | None, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


@pytest.mark.parametrize(
    ("given", "fixed"),
    [
        ("grpc://a:8001", ("a:8001",)),
        ("a:8001", ("a:8001",)),
        ("grpc://a:8001,b:8002", ("a:8001", "b:8002")),
        ("grpc://a:8001, grpc://b:8001", ("a:8001", "b:8001")),
        ("grpc://a:8001,a:8001", ("a:8001",)),
        ("grpc://[::1]:8001", ("[::1]:8001",)),
    ],
)
def test_addresses(given: str, fixed: tuple[str, ...]) -> None:
    assert parse_addresses(given) == Addresses(fixed=fixed)
    assert parse_addresses(given).single is (len(fixed) == 1)
    assert parse_addresses(given).look_up() == fixed


def test_a_name_is_looked_up() -> None:
    addresses = parse_addresses("dns:///localhost:8001")
    assert not addresses.single
    assert "127.0.0.1:8001" in addresses.look_up()
    assert set(addresses.look_up()) <= {"127.0.0.1:8001", "[::1]:8001"}


@pytest.mark.parametrize(
    "given",
    [
        "", "a", "grpc://a", "grpc://a:", "grpc://:8001", "grpc://a:0", "grpc://a:70000",
        "grpc://a:8001,", "grpc://a:8001,,b:8001", "http://a:8001", "grpc://a:8001/x",
        "dns:///a", "dns://server/a:8001", "dns:///a:8001,b:8001", "grpc://::1:8001",
        "grpc://user@a:8001", "grpc://a:٨٠",
    ],
)  # fmt: skip
def test_no_addresses(given: str) -> None:
    with pytest.raises(UsageError, match=r"Give grpc://host:port, several servers as"):
        parse_addresses(given)
