"""What a Redis server says of itself, and what of it could lose events that were acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis import asyncio as redis
from redis.exceptions import RedisError

from deckwatch_gateway.logs import log

# The first that knows XAUTOCLAIM.
OLDEST = (6, 2)


async def warn(server: redis.Redis, where: str) -> None:
    """Say it in the log; `where` names the server there. Never raises for its absence."""
    try:
        info = await server.info("server", "persistence", "memory")
        found: Mapping[Any, Any] = await server.config_get("appendfsync")
    except redis.ResponseError as error:  # a hosted server may not allow the question
        log.warning(
            "the queue's server does not tell how it keeps events", queue=where, reason=str(error)
        )
        return
    except (RedisError, OSError) as error:
        log.error("the queue cannot be reached", queue=where, kind=type(error).__name__)
        return
    version = str(info.get("redis_version", "0"))
    if _numbers(version) < OLDEST:
        needed = ".".join(map(str, OLDEST))
        log.error("the queue's server is too old", queue=where, version=version, needed=needed)
    for reason in dangers(info, found.get("appendfsync")):
        log.warning("acknowledged events can be lost", queue=where, reason=reason)


def dangers(info: Mapping[str, Any], fsync: str | None) -> list[str]:
    """Why a server with this configuration might lose what it said it has."""
    found = []
    if not info.get("aof_enabled"):
        found.append(
            "appendonly is off, so a restart of the server forgets all since its last snapshot; "
            "set appendonly yes and appendfsync always"
        )
    elif fsync != "always":
        found.append(
            f"appendfsync is {fsync or 'not told'}; with anything but always a power cut takes "
            "the last second"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory") and policy != "noeviction":
        found.append(
            f"maxmemory-policy is {policy}, so the server forgets events when its memory is full; "
            "set noeviction"
        )
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
