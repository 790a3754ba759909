"""The queue of Camio's events on a Redis server, for any number of gateways.

Redis Streams with a consumer group; what changes the queue is in `redis_queue.lua`, so that it
happens as a whole or not at all.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any, cast

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ReadOnlyError, RedisError

from deckwatch_gateway.camio.redis_dangers import warn
from deckwatch_gateway.camio.store import (
    MAX_REASON,
    PENDING,
    Arrival,
    Claim,
    Entry,
    Limits,
    Put,
    State,
    Tally,
    host_of,
)
from deckwatch_vision.errors import QueueUnavailable, UsageError

# The braces keep all keys on one node of a cluster.
PREFIX = "{deckwatch:camio}"
CONNECT_S, ANSWER_S = 2.0, 5.0
CONNECTIONS = 32
# A lost connection is tried again at once and once more: whoever waits is an HTTP request.
RETRIES, RETRY_FIRST_S, RETRY_LONGEST_S = 2, 0.05, 0.5
AT_ONCE = 500  # events a command handles at most, so that the server is never busy for long
CONSUMER_IDLE_S = 3600.0


class RedisStore:
    """See `Store`. `url` is redis://, rediss:// (TLS) or unix://, with a password where needed.

    Raises UsageError when the URL is malformed; it connects when it is first used.
    """

    def __init__(self, url: str) -> None:
        self._where = _without_secrets(url)
        # Names this process in the consumer group.
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            pool: Any = redis.BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=ANSWER_S,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                retry=Retry(ExponentialBackoff(cap=RETRY_LONGEST_S, base=RETRY_FIRST_S), RETRIES),
            )
        except (ValueError, TypeError):
            # The client's own message may quote the password.
            raise UsageError(
                f"{self._where} is no address of a Redis server. Give redis://host:port/0, with "
                "TLS rediss://host:port/0, with a password redis://:password@host:port/0."
            ) from None
        self._redis = redis.Redis.from_pool(pool)
        script = files(__package__).joinpath("redis_queue.lua").read_text(encoding="utf-8")
        self._script = self._redis.register_script(script)

    async def start(self) -> None:
        """Warn where the server would lose events that were acknowledged."""
        await warn(self._redis, self._where)

    async def put(self, arrival: Arrival, limits: Limits) -> Put:
        """See `Store.put`."""
        answer = await self._run(
            "put", arrival.id, arrival.key_name, arrival.camera, arrival.images,
            arrival.callback_url, arrival.body, limits.max_events, limits.max_bytes,
        )  # fmt: skip
        put: Put = answer.decode()
        return put

    async def claim(self, lease_s: float) -> Claim | None:
        """See `Store.claim`."""
        token = secrets.token_hex(8)
        found = await self._run("claim", self._name, token, _ms(lease_s))
        if not found:
            return None
        identity, now, flat, body = found
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        entry = _entry(identity, fields)
        return Claim(
            entry=entry,
            token=token,
            callback_url=fields[b"url"].decode(),
            body=body or b"",
            answer=fields.get(b"answer"),
            age_s=int(now) / 1000 - entry.since,
        )

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        """See `Store.renew`."""
        return await self._change("renew", claim, self._name, _ms(lease_s))

    async def label(self, claim: Claim, answer: bytes) -> bytes | None:
        """See `Store.label`."""
        stands: bytes | None = await self._run("label", claim.entry.id, answer)
        return stands

    async def postpone(self, claim: Claim, wait_s: float, reason: str) -> bool:
        """See `Store.postpone`."""
        return await self._change("postpone", claim, _ms(wait_s), reason[:MAX_REASON])

    async def release(self, claim: Claim) -> bool:
        """See `Store.release`."""
        return await self._change("release", claim)

    async def delivered(self, claim: Claim) -> bool:
        """See `Store.delivered`."""
        return await self._change("delivered", claim)

    async def dead(self, claim: Claim, reason: str) -> bool:
        """See `Store.dead`."""
        return await self._change("dead", claim, reason[:MAX_REASON])

    async def entries(
        self, states: Collection[State], *, key_name: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """See `Store.entries`."""
        found: list[Entry] = []
        for name in {"pending" if state in PENDING else state for state in states}:
            found += await self._all(name)
        fitting = [
            entry for entry in found if entry.state in states and key_name in (None, entry.key_name)
        ]
        return sorted(fitting, key=lambda entry: entry.received_at)[:limit]

    async def tally(self) -> Tally:
        """See `Store.tally`."""
        pending, dead, held, oldest = await self._run("tally")
        return Tally(pending=pending, dead=dead, held_bytes=held, oldest_s=oldest / 1000)

    async def replay(self, ids: Sequence[str] | None) -> list[str]:
        """See `Store.replay`."""
        if ids is None:
            ids = [one.decode() for one in await self._ids("dead")]
        done: list[bytes] = []
        for place in range(0, len(ids), AT_ONCE):
            done += await self._run("replay", *ids[place : place + AT_ONCE])
        return [one.decode() for one in done]

    async def purge(
        self, *, keep_delivered_s: float, keep_dead_s: float, max_dead: int
    ) -> list[str]:
        """See `Store.purge`."""
        limits = (_ms(keep_delivered_s), _ms(keep_dead_s), max_dead, AT_ONCE)
        gone: list[bytes] = []
        finished = 0
        while not finished:
            finished, some = await self._run("purge", *limits)
            gone += some
        await self._run("tidy", _ms(CONSUMER_IDLE_S))
        return [one.decode() for one in gone]

    async def close(self) -> None:
        """See `Store.close`."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _run(self, command: str, *args: str | bytes | int) -> Any:
        try:
            return await self._script(keys=[PREFIX], args=[command, *args])
        except ReadOnlyError as error:
            # Another server is the primary now; its name may lead there already.
            await self._redis.connection_pool.disconnect(inuse_connections=False)
            raise self._away(error) from error
        except (RedisError, OSError) as error:
            raise self._away(error) from error

    async def _change(self, command: str, claim: Claim, *args: str | int) -> bool:
        return bool(await self._run(command, claim.entry.id, claim.token, *args))

    async def _ids(self, name: str) -> list[bytes]:
        try:
            ids = await self._redis.zrange(f"{PREFIX}:{name}", 0, -1)
        except (RedisError, OSError) as error:
            raise self._away(error) from error
        return cast("list[bytes]", ids)

    async def _all(self, name: str) -> list[Entry]:
        """The events that a sorted set names; those that went meanwhile are left out."""
        found = []
        ids = await self._ids(name)
        try:
            for place in range(0, len(ids), AT_ONCE):
                some = ids[place : place + AT_ONCE]
                async with self._redis.pipeline(transaction=False) as pipe:
                    for one in some:
                        pipe.hgetall(f"{PREFIX}:event:{one.decode()}")
                    rows = await pipe.execute()
                found += [_entry(one, row) for one, row in zip(some, rows, strict=True) if row]
        except (RedisError, OSError) as error:
            raise self._away(error) from error
        return found

    def _away(self, error: Exception) -> QueueUnavailable:
        # The client's message names the address and never the password.
        return QueueUnavailable(
            f"the queue {self._where} cannot be used: {type(error).__name__}: {error}. See that "
            "the Redis server runs, takes this password and has memory left."
        )


def _entry(identity: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    state: State = fields[b"state"].decode()  # type: ignore[assignment]
    return Entry(
        id=identity.decode(),
        key_name=fields[b"key"].decode(),
        camera=fields[b"camera"].decode(),
        images=int(fields[b"images"]),
        host=host_of(fields[b"url"].decode()),
        state=state,
        received_at=int(fields[b"received"]) / 1000,
        since=int(fields[b"since"]) / 1000,
        due_at=int(fields.get(b"due", b"0")) / 1000,
        attempts=int(fields[b"attempts"]),
        unfinished=int(fields[b"unfinished"]),
        reason=fields[b"reason"].decode(),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _without_secrets(url: str) -> str:
    """The URL without user, password and query."""
    scheme, _, rest = url.partition("://")
    place = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{place}"
