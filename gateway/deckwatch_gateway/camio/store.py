"""The queue of Camio's events: one small interface, on a file or on a Redis server.

An event goes received -> labelled -> delivered, or is put aside as dead with its reason. What
makes the exchange safe against a kill at any point is this:

- `put` returns once the event is on disk, so that it may be acknowledged.
- Work is claimed for a while (a lease). Whoever is killed loses it, and another one goes on.
- The first labels that `label` is given stand for good. Whoever comes second, be it after a kill
  or because a lease ran out, is handed those and sends the very same bytes.

Every other change asks for the claim's token, so that one who lost a claim changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from deckwatch_vision.errors import MissingExtra, UsageError

State = Literal["received", "labelled", "delivered", "dead"]
PENDING: tuple[State, ...] = ("received", "labelled")
STATES: tuple[State, ...] = ("received", "labelled", "delivered", "dead")

# accepted: it is on disk. duplicate: it was there; what that means is said at `Store.put`.
# full: the queue holds as much as it may.
Put = Literal["accepted", "duplicate", "full"]

FILE = "camio.sqlite"
MAX_REASON = 300  # letters


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as it comes in; `body` is Camio's JSON, byte for byte."""

    id: str
    key_name: str
    camera: str
    images: int
    callback_url: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What can be told of an event: no pictures, and of the callback's address only the host.

    Times are seconds since 1970. `since` is when its age began to count: its arrival, or when it
    was replayed. `due_at` is when it may be worked on next, or when the claim on it ends.
    `attempts` counts what failed since it came into its state, `unfinished` claims that ended
    without a word.
    """

    id: str
    key_name: str
    camera: str
    images: int
    host: str
    state: State
    received_at: float
    since: float
    due_at: float
    attempts: int
    unfinished: int
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An event that is ours to work on; `answer` are the labels' bytes once it has any.

    `body` is empty then, because pictures are deleted as soon as the labels stand. `age_s` is
    counted by the store's clock from `entry.since`.
    """

    entry: Entry
    token: str
    callback_url: str
    body: bytes
    answer: bytes | None
    age_s: float


@dataclass(frozen=True, slots=True)
class Tally:
    """How much there is: events that wait or were put aside, bytes of both, the oldest's age."""

    pending: int
    dead: int
    held_bytes: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a queue takes: events that wait, and bytes of all events that it holds."""

    max_events: int
    max_bytes: int


class Store(Protocol):
    """A queue of events, shared by any number of tasks and processes.

    Every method raises QueueUnavailable when the file or the server cannot be reached; then
    nothing was changed, or everything was.
    """

    async def start(self) -> None:
        """See what could lose events and say so in the log; never fails for a server's absence."""

    async def put(self, arrival: Arrival, limits: Limits) -> Put:
        """Take an event in; it is on disk when this returns `accepted`.

        An event that was put before is a `duplicate`. While it waits, that changes nothing; once
        it was answered or put aside it waits again, with the labels that it has.
        """

    async def claim(self, lease_s: float) -> Claim | None:
        """The event that is due first, ours for `lease_s` seconds; None where none is due.

        Events whose lease ran out are due. All who share a queue give the same `lease_s`.
        """

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        """Keep a claim for `lease_s` seconds from now; False where it was lost."""

    async def label(self, claim: Claim, answer: bytes) -> bytes | None:
        """Store the labels and delete the pictures; gives the labels that stand from now on.

        They are the first that were stored, whoever did. None where the event is gone.
        """

    async def postpone(self, claim: Claim, wait_s: float, reason: str) -> bool:
        """Note an attempt that failed; the event is due again in `wait_s` seconds."""

    async def release(self, claim: Claim) -> bool:
        """Give a claim back as if it had never been; the event is due at once."""

    async def delivered(self, claim: Claim) -> bool:
        """Note that the labels were taken."""

    async def dead(self, claim: Claim, reason: str) -> bool:
        """Put the event aside; its pictures are kept until it has labels."""

    async def entries(
        self, states: Collection[State], *, key_name: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """Events in these states, the oldest first, of one key or of all."""

    async def tally(self) -> Tally:
        """How much there is."""

    async def replay(self, ids: Sequence[str] | None) -> list[str]:
        """Make dead or delivered events wait again; None: all that are dead. Gives their ids."""

    async def purge(
        self, *, keep_delivered_s: float, keep_dead_s: float, max_dead: int
    ) -> list[str]:
        """Forget what was kept long enough; gives the ids of the dead that were forgotten.

        `max_dead` bounds how many dead events are kept, the newest.
        """

    async def close(self) -> None:
        """Release what is held open."""


def open_store(location: str, *, create: bool = True) -> Store:
    """The queue at `location`: the path of an SQLite file, or the URL of a Redis server.

    An empty location is a file in the user's state folder. Without `create` a file must be there.

    Raises:
        UsageError: the file cannot be used, or the URL is malformed; the message says why.
        MissingExtra: a Redis server is named and its client is not installed.
    """
    scheme = location.partition("://")[0] if "://" in location else ""
    if scheme in ("redis", "rediss", "unix"):
        try:
            from deckwatch_gateway.camio.redis_store import RedisStore
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "redis":
                raise
            raise MissingExtra(
                "a queue on a Redis server needs its client, which is not installed. "
                "Install it with: pip install 'deckwatch[redis]'"
            ) from None
        return RedisStore(location)
    if scheme:
        raise UsageError(
            f"a queue cannot be at {scheme}://. Give the path of an SQLite file, "
            "redis://host:port/0 or, with TLS, rediss://host:port/0."
        )
    from deckwatch_gateway.camio.sqlite_store import SqliteStore

    file = Path(location).expanduser() if location else default_file()
    return SqliteStore(file, create=create)


def default_file() -> Path:
    """The file of a queue for which no other place is named."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "deckwatch" / FILE


def iso_time(seconds: float) -> str:
    """Seconds since 1970 in ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def host_of(url: str) -> str:
    """The host in an address; the rest of it may be a secret."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
