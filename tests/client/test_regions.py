"""Shared memory for pictures, without a server."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from deckwatch_client import Client, DeadlineExceeded, ServerUnavailable, UsageError, regions
from deckwatch_client.regions import Regions
from tests.client.test_servers_in_trouble import bound
from tests.serving.processes import shared_memory


@pytest.fixture(autouse=True)
def prefix(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Names that no other test uses, of which none is left."""
    monkeypatch.setattr(regions, "PREFIX", f"deckwatch_test_{secrets.token_hex(4)}_")
    yield
    assert there() == set()


def there() -> set[str]:
    return shared_memory(regions.PREFIX)


@pytest.fixture
def pool() -> Iterator[Regions]:
    pool = Regions()
    yield pool
    pool.close()


def test_a_region_is_used_again(pool: Regions) -> None:
    first = pool.take(1000)
    assert first.size == regions.SMALLEST_BYTES
    pool.give_back(first)
    assert pool.take(regions.SMALLEST_BYTES) is first
    second = pool.take(1)
    assert second is not first
    large = pool.take(regions.SMALLEST_BYTES + 1)
    assert large.size == 2 * regions.SMALLEST_BYTES
    for each in (large, second, first):
        pool.give_back(each)
    again = pool.take(1)
    assert again is not large  # the smallest that fits
    assert {each.key for each in (first, second, large)} == {f"/{name}" for name in there()}
    pool.give_back(again)


def test_what_is_written_is_there(pool: Regions) -> None:
    region = pool.take(5)
    region.write(b"first")
    region.write(memoryview(b"2nd"))
    with open(f"/dev/shm/{region.name}", "rb") as file:
        assert file.read(5) == b"2ndst"
    pool.give_back(region)


def test_one_that_comes_back_late_is_removed() -> None:
    pool = Regions()
    late, early = pool.take(1), pool.take(1)
    late.registered = early.registered = True
    pool.give_back(early)
    assert sorted(pool.close()) == sorted([late.name, early.name])
    assert there() == {late.name}
    pool.give_back(late)
    assert there() == set()


def test_only_our_own_that_are_gone_are_forgotten(pool: Regions) -> None:
    living = pool.take(1)
    known = [living.name, f"{regions.PREFIX}0123", "of-somebody-else"]
    assert Regions.forgotten(known) == [f"{regions.PREFIX}0123"]
    pool.give_back(living)


def test_no_room(pool: Regions, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UsageError, match=r"no room for 1,048,576 bytes \(No space left"):
        pool.take(1)
    assert there() == set()


def test_a_server_that_is_away_or_silent() -> None:
    with (
        bound(None) as host,
        Client(f"grpc://{host}", shared_memory=True) as client,
        pytest.raises(ServerUnavailable, match="deckwatch up"),
    ):
        client.classify(b"picture")
    with (
        bound(8) as host,
        Client(f"grpc://{host}", shared_memory=True, timeout_s=0.2) as client,
        pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"),
    ):
        client.classify(b"picture")
    assert there() == set()
