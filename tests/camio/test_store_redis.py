"""What is special about a queue on a Redis server: servers that are away, full or forgetful."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from deckwatch_gateway.camio.redis_dangers import dangers
from deckwatch_gateway.camio.redis_store import RedisStore
from deckwatch_gateway.camio.store import PENDING, STATES, open_store
from deckwatch_vision.errors import QueueUnavailable, UsageError

from .queues import PLENTY, RedisServer, arrival, opened


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that a test may kill."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


def test_acknowledged_events_survive_a_kill_of_the_server(own_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(own_server.url) as store:
            for number in range(20):
                assert await store.put(arrival(str(number)), PLENTY) == "accepted"
            claim = await store.claim(60)
            assert claim is not None
            await store.label(claim, b"labels")
            own_server.kill()
            with pytest.raises(QueueUnavailable, match="See that the Redis server runs"):
                await store.put(arrival("while away"), PLENTY)
            own_server.start()
            assert len(await store.entries(PENDING)) == 20, "the same store finds it again"
            assert await store.renew(claim, 60)
            assert await store.label(claim, b"other") == b"labels"

    asyncio.run(run())


def test_a_server_that_is_away_at_the_start_is_no_failure(nobody: str) -> None:
    async def run() -> None:
        async with opened(nobody) as store:
            await store.start()
            for action in (store.tally(), store.entries(PENDING), store.replay(None)):
                with pytest.raises(QueueUnavailable):
                    await action

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    assert [line["event"] for line in lines] == ["the queue cannot be reached"]


def test_a_full_server_takes_no_more_and_still_finishes_what_it_has(
    own_server: RedisServer,
) -> None:
    async def run() -> None:
        async with opened(own_server.url) as store:
            for name in "abc":
                await store.put(arrival(name, body=b"x" * 200_000), PLENTY)
            postponed = await store.claim(60)
            assert postponed is not None
            assert own_server.command("CONFIG", "SET", "maxmemory", "1mb") == b"+OK\r\n"
            with pytest.raises(QueueUnavailable, match="memory"):
                await store.put(arrival("d", body=b"x" * 200_000), PLENTY)
            assert await store.postpone(postponed, 0, "status 503")
            for _ in "abc":
                claim = await store.claim(60)
                assert claim is not None
                assert await store.renew(claim, 60)
                assert await store.label(claim, b"labels") == b"labels"
                assert await store.delivered(claim)
            tally = await store.tally()
            assert (tally.pending, tally.held_bytes) == (0, 0)

    asyncio.run(run())


def test_a_server_that_is_no_longer_the_primary_is_looked_up_again(
    own_server: RedisServer,
) -> None:
    def connections() -> int:
        stats = own_server.command("INFO", "stats").decode()
        return int(stats.partition("total_connections_received:")[2].partition("\r")[0])

    async def run() -> None:
        async with opened(own_server.url) as store:
            await store.put(arrival("a"), PLENTY)
            own_server.command("REPLICAOF", "127.0.0.1", "1")
            before = connections()
            for _ in range(2):
                with pytest.raises(QueueUnavailable, match="read only replica"):
                    await store.put(arrival("b"), PLENTY)
            assert connections() - before == 2, "this question's, and one for the second try"
            own_server.command("REPLICAOF", "NO", "ONE")
            assert await store.put(arrival("b"), PLENTY) == "accepted"

    asyncio.run(run())


def test_a_server_that_tells_nothing_of_itself_is_used_all_the_same(
    own_server: RedisServer,
) -> None:
    user = ("on", ">hush", "allkeys", "+@all", "-info", "-config")
    assert own_server.command("ACL", "SETUSER", "deckwatch", *user) == b"+OK\r\n"

    async def run() -> None:
        async with opened(own_server.url.replace("//", "//deckwatch:hush@")) as store:
            await store.start()
            assert await store.put(arrival("a"), PLENTY) == "accepted"

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    [line] = lines
    assert line["event"] == "the queue's server does not tell how it keeps events"
    assert "hush" not in str(line)


def test_a_server_that_was_emptied_is_used_anew(own_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(own_server.url) as store:
            await store.put(arrival("a"), PLENTY)
            claim = await store.claim(60)
            assert claim is not None
            own_server.command("FLUSHALL")
            assert await store.label(claim, b"labels") is None
            assert not await store.delivered(claim)
            assert not await store.renew(claim, 60)
            assert await store.claim(60) is None
            await store.purge(keep_delivered_s=0, keep_dead_s=0, max_dead=0)
            assert await store.put(arrival("b"), PLENTY) == "accepted"
            assert await store.claim(60) is not None

    asyncio.run(run())


def test_nothing_is_left_in_the_stream_once_all_is_done(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")

    async def run() -> None:
        async with opened(redis_server.url) as store:
            for number in range(30):
                await store.put(arrival(str(number)), PLENTY)
            while claim := await store.claim(60):
                await store.label(claim, b"labels")
                await store.delivered(claim)
            await store.purge(keep_delivered_s=0, keep_dead_s=0, max_dead=0)
            prefix = "{deckwatch:camio}"
            assert redis_server.command("XLEN", f"{prefix}:ready") == b":0\r\n"
            assert redis_server.command("GET", f"{prefix}:bytes") == b"$1\r\n0\r\n"
            # The stream with its group, and the counter.
            assert redis_server.command("DBSIZE") == b":2\r\n"

    asyncio.run(run())


def test_much_is_purged_at_once(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_server.command("FLUSHALL")
    monkeypatch.setattr("deckwatch_gateway.camio.redis_store.AT_ONCE", 4)

    async def run() -> None:
        async with opened(redis_server.url) as store:
            for number in range(20):
                await store.put(arrival(str(number)), PLENTY)
                claim = await store.claim(60)
                assert claim is not None
                if number % 2:
                    await store.dead(claim, "status 404")
                else:
                    await store.label(claim, b"labels")
                    await store.delivered(claim)
            gone = await store.purge(keep_delivered_s=0, keep_dead_s=60, max_dead=1)
            assert len(gone) == 9
            assert len(await store.entries(STATES)) == 1

    asyncio.run(run())


def test_gateways_that_are_gone_leave_the_group(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")

    async def run() -> None:
        async with opened(redis_server.url) as gone, opened(redis_server.url) as busy:
            await busy.put(arrival(), PLENTY)
            claim = await busy.claim(60)
            assert claim is not None
            assert await gone.claim(60) is None
            assert isinstance(busy, RedisStore)
            await asyncio.sleep(0.01)
            assert await busy._run("tidy", 1) <= 1
            assert await busy.renew(claim, 60), "who holds something stays"
            consumers = redis_server.command(
                "XINFO", "CONSUMERS", "{deckwatch:camio}:ready", "gateways"
            )
            assert consumers.startswith(b"*1\r\n")

    asyncio.run(run())


def test_what_could_lose_events_is_warned_of(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, appendonly="no", maxmemory="1gb")
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")

    async def run() -> None:
        async with opened(server.url) as store:
            await store.start()

    try:
        with structlog.testing.capture_logs() as lines:
            asyncio.run(run())
    finally:
        server.kill()
    assert {line["event"] for line in lines} == {"acknowledged events can be lost"}
    reasons = " ".join(line["reason"] for line in lines)
    assert "appendonly yes" in reasons
    assert "allkeys-lru" in reasons


def test_a_safe_server_is_not_warned_of(redis_server: RedisServer) -> None:
    async def run() -> None:
        async with opened(redis_server.url) as store:
            await store.start()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    assert lines == []


def test_over_tls_with_a_password(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "tls-port": str(port),
        "tls-ca-cert-file": str(tmp_path / "ca.pem"),
        "tls-key-file": str(tmp_path / "key.pem"),
        "tls-cert-file": str(tmp_path / "cert.pem"),
        "tls-auth-clients": "no",
    }
    server = RedisServer(tmp_path, **options)
    server.command("CONFIG", "SET", "requirepass", "hush")

    async def run() -> None:
        url = f"rediss://:hush@localhost:{port}/0"
        async with opened(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}") as store:
            assert await store.put(arrival(), PLENTY) == "accepted"
        async with opened(url) as store:
            with pytest.raises(QueueUnavailable, match=r"rediss://localhost:\d+/0 .*certificate"):
                await store.tally()

    try:
        asyncio.run(run())
    finally:
        server.kill()


def test_a_server_that_is_too_old_is_told(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deckwatch_gateway.camio.redis_dangers.OLDEST", (999, 0))

    async def run() -> None:
        async with opened(redis_server.url) as store:
            await store.start()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    assert [line["event"] for line in lines] == ["the queue's server is too old"]
    assert lines[0]["needed"] == "999.0"


def test_an_event_as_large_as_can_be(redis_server: RedisServer) -> None:
    redis_server.command("FLUSHALL")

    async def run() -> None:
        async with opened(redis_server.url) as store:
            large = arrival(body=b"x" * 32_000_000)
            assert await store.put(large, PLENTY) == "accepted"
            claim = await store.claim(60)
            assert claim is not None
            assert claim.body == large.body
            await store.label(claim, b"labels")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("info", "fsync", "said"),
    [
        ({"aof_enabled": 1}, "everysec", ["appendfsync is everysec"]),
        ({"aof_enabled": 1}, None, ["appendfsync is not told"]),
        ({"aof_enabled": 0}, "always", ["appendonly is off"]),
        ({"aof_enabled": 1, "maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, "always", []),
    ],
)
def testdangers(info: dict[str, Any], fsync: str | None, said: list[str]) -> None:
    found = dangers(info, fsync)
    assert len(found) == len(said)
    assert all(one.startswith(what) for one, what in zip(found, said, strict=True))


@pytest.mark.parametrize(
    "url", ["redis://:hush@localhost:port/0", "redis://user:hush@localhost:99999999/0"]
)
def test_a_malformed_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert "redis://host:port/0" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_refused_password_is_not_told(own_server: RedisServer) -> None:
    own_server.command("CONFIG", "SET", "requirepass", "right")

    async def run() -> None:
        async with opened(own_server.url.replace("//", "//:hush@")) as store:
            with pytest.raises(QueueUnavailable) as caught:
                await store.tally()
            assert "hush" not in str(caught.value)
            assert "password" in str(caught.value)

    asyncio.run(run())
