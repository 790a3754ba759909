"""Token buckets, and whom an address stands for."""

from __future__ import annotations

import pytest

from deckwatch_gateway import rate
from deckwatch_gateway.rate import Buckets, network


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_and_then_the_rate(clock: Clock) -> None:
    buckets = Buckets(2.0, 3, clock=clock)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    clock.now += 0.25
    assert buckets.take("a") == 0.25
    clock.now += 0.25
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5], "it is full, not fuller"


def test_everybody_has_a_bucket(clock: Clock) -> None:
    buckets = Buckets(1.0, 1, clock=clock)
    assert buckets.take("a") == 0
    assert buckets.take("a") == 1
    assert buckets.take("b") == 0


def test_in_the_long_run_the_rate_is_kept(clock: Clock) -> None:
    buckets = Buckets(5.0, 10, clock=clock)
    taken = 0
    for _ in range(10_000):
        clock.now += 0.01
        taken += buckets.take("a") == 0
    assert taken == pytest.approx(100 * 5 + 10, abs=2)


def test_looking_takes_nothing(clock: Clock) -> None:
    buckets = Buckets(1.0, 1, clock=clock)
    assert buckets.wait_s("a") == 0
    assert len(buckets) == 0
    buckets.take("a")
    clock.now += 0.25
    assert buckets.wait_s("a") == buckets.wait_s("a") == 0.75


def test_the_number_of_buckets_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MAX_BUCKETS", 100)
    buckets = Buckets(1.0, 1, clock=clock)
    for number in range(1000):
        buckets.take(f"{number}")
        buckets.take("regular")
    assert len(buckets) == 100
    assert buckets.take("999") == 1
    assert buckets.take("500") == 0, "the one not seen for longest is forgotten"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("somewhere", "somewhere"),
    ],
)
def test_network(address: str, expected: str) -> None:
    assert network(address) == expected
