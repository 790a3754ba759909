"""The queue of Camio's events in an SQLite file, for the gateways of one machine.

The file and its neighbours (-wal, -shm) hold pictures and callback addresses: they are readable
by their owner alone. A network file system does not do, because SQLite's lock does not hold there.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from deckwatch_gateway.camio.sqlite_file import ENTRY, open_file, read_entry
from deckwatch_gateway.camio.store import (
    MAX_REASON,
    Arrival,
    Claim,
    Entry,
    Limits,
    Put,
    State,
    Tally,
)
from deckwatch_vision.errors import QueueUnavailable

# Longer than the longest lease, pause and Retry-After (an hour each).
LONGEST_WAIT_S = 2 * 3600.0
_WAITS = "state IN ('received', 'labelled')"
# Out of `delivered` or `dead`, back to where it was: with labels they are sent, else it gets some.
_AGAIN = (
    "UPDATE events SET state = iif(answer IS NULL, 'received', 'labelled'), since = :now, "
    "changed_at = :now, due_at = :now, attempts = 0, unfinished = 0, reason = '', token = '' "
)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SqliteStore:
    """See `Store`. One thread does all the work, so that the event loop never waits for a disk.

    Raises UsageError when the file cannot be made (or, without `create`, is not there), or is no
    queue.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._path = path
        self._base = open_file(path, create=create)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="camio-queue")

    async def start(self) -> None:
        """Nothing to warn of: every commit is on disk."""

    async def put(self, arrival: Arrival, limits: Limits) -> Put:
        """See `Store.put`."""
        return await self._do(self._put, arrival, limits)

    async def claim(self, lease_s: float) -> Claim | None:
        """See `Store.claim`."""
        return await self._do(self._claim, lease_s)

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        """See `Store.renew`."""
        return await self._change(claim, "due_at = :now + :lease", lease=lease_s)

    async def label(self, claim: Claim, answer: bytes) -> bytes | None:
        """See `Store.label`."""
        return await self._do(self._label, claim.entry.id, answer)

    async def postpone(self, claim: Claim, wait_s: float, reason: str) -> bool:
        """See `Store.postpone`."""
        return await self._change(
            claim,
            "due_at = :now + :wait, attempts = attempts + 1, unfinished = 0, reason = :reason, "
            "token = ''",
            wait=wait_s,
            reason=reason[:MAX_REASON],
        )

    async def release(self, claim: Claim) -> bool:
        """See `Store.release`."""
        return await self._change(claim, "due_at = :now, unfinished = unfinished - 1, token = ''")

    async def delivered(self, claim: Claim) -> bool:
        """See `Store.delivered`."""
        return await self._change(
            claim, "state = 'delivered', changed_at = :now, reason = '', token = ''"
        )

    async def dead(self, claim: Claim, reason: str) -> bool:
        """See `Store.dead`."""
        return await self._change(
            claim,
            "state = 'dead', changed_at = :now, reason = :reason, token = ''",
            reason=reason[:MAX_REASON],
        )

    async def entries(
        self, states: Collection[State], *, key_name: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """See `Store.entries`."""
        return await self._do(self._entries, tuple(states), key_name, limit)

    async def tally(self) -> Tally:
        """See `Store.tally`."""
        return await self._do(self._tally)

    async def replay(self, ids: Sequence[str] | None) -> list[str]:
        """See `Store.replay`."""
        return await self._do(self._replay, ids)

    async def purge(
        self, *, keep_delivered_s: float, keep_dead_s: float, max_dead: int
    ) -> list[str]:
        """See `Store.purge`."""
        return await self._do(self._purge, keep_delivered_s, keep_dead_s, max_dead)

    async def close(self) -> None:
        """See `Store.close`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._base.close)
        self._thread.shutdown()

    async def _do(self, work: Callable[_P, _T], *args: _P.args, **more: _P.kwargs) -> _T:
        """`work` in the store's thread; it goes on to its end when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, functools.partial(work, *args, **more))
        except sqlite3.Error as error:
            raise QueueUnavailable(
                f"the queue {self._path} cannot be used: {error}. Make room on its disk, or see "
                "who holds it locked."
            ) from error

    async def _change(self, claim: Claim, what: str, **values: object) -> bool:
        given = {"id": claim.entry.id, "token": claim.token, "now": time.time(), **values}
        return await self._do(
            self._run, f"UPDATE events SET {what} WHERE id = :id AND token = :token", given
        )

    def _run(self, statement: str, given: dict[str, object]) -> bool:
        with self._writing():
            return self._base.execute(statement, given).rowcount > 0

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """All of the block or, where it raises, nothing of it; other processes wait meanwhile."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            # SQLite may have rolled back by itself (disk full); the first error is what matters.
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise

    def _put(self, arrival: Arrival, limits: Limits) -> Put:
        now = time.time()
        with self._writing():
            row = self._one("SELECT state FROM events WHERE id = ?", arrival.id)
            if row is not None and row[0] in ("received", "labelled"):
                return "duplicate"
            (waiting,) = self._one(f"SELECT COUNT(*) FROM events WHERE {_WAITS}")
            if waiting >= limits.max_events:
                return "full"
            if row is not None:
                self._base.execute(_AGAIN + "WHERE id = :id", {"id": arrival.id, "now": now})
                return "duplicate"
            (held,) = self._one("SELECT TOTAL(size) FROM events WHERE size > 0")
            if held + len(arrival.body) > limits.max_bytes:
                return "full"
            self._base.execute(
                "INSERT INTO events (id, key_name, camera, images, callback_url, state, "
                "received_at, since, changed_at, due_at, size) "
                "VALUES (?, ?, ?, ?, ?, 'received', ?, ?, ?, ?, ?)",
                (
                    arrival.id, arrival.key_name, arrival.camera, arrival.images,
                    arrival.callback_url, now, now, now, now, len(arrival.body),
                ),
            )  # fmt: skip
            self._base.execute("INSERT INTO bodies VALUES (?, ?)", (arrival.id, arrival.body))
        return "accepted"

    def _claim(self, lease_s: float) -> Claim | None:
        now = time.time()
        due = (
            f"SELECT id FROM events WHERE {_WAITS} AND (due_at <= ? OR due_at > ?) "
            "ORDER BY due_at LIMIT 1"
        )
        # Nothing waits for longer than that: if it seems so, the machine's clock was set back.
        late = now + LONGEST_WAIT_S
        # Looked up first without a lock: a gateway with nothing to do must not disturb the others.
        if self._one(due, now, late) is None:
            return None
        token = secrets.token_hex(8)
        with self._writing():
            row = self._one(
                "UPDATE events SET due_at = ?, token = ?, unfinished = unfinished + 1 "
                f"WHERE id = ({due}) RETURNING {ENTRY}, answer",
                now + lease_s, token, now, late,
            )  # fmt: skip
            if row is None:
                return None
            entry = read_entry(row)
            body = self._one("SELECT body FROM bodies WHERE id = ?", entry.id)
        return Claim(
            entry=entry,
            token=token,
            callback_url=row[4],
            body=body[0] if body else b"",
            answer=row[-1],
            age_s=now - entry.since,
        )

    def _label(self, identity: str, answer: bytes) -> bytes | None:
        with self._writing():
            row = self._one("SELECT answer FROM events WHERE id = ?", identity)
            if row is None or row[0] is not None:
                return cast("bytes | None", row and row[0])
            self._base.execute(
                "UPDATE events SET answer = :answer, size = 0, attempts = 0, reason = '', "
                "state = iif(state = 'received', 'labelled', state) WHERE id = :id",
                {"id": identity, "answer": answer},
            )
            self._base.execute("DELETE FROM bodies WHERE id = ?", (identity,))
        return answer

    def _entries(self, states: tuple[State, ...], key_name: str | None, limit: int) -> list[Entry]:
        marks = ", ".join("?" * len(states))
        rows = self._base.execute(
            f"SELECT {ENTRY} FROM events WHERE state IN ({marks}) AND (? IS NULL OR key_name = ?) "
            "ORDER BY received_at LIMIT ?",
            (*states, key_name, key_name, limit),
        )
        return [read_entry(row) for row in rows]

    def _tally(self) -> Tally:
        rows = self._base.execute(
            "SELECT state, COUNT(*), TOTAL(size), MIN(since) FROM events "
            "WHERE state IN ('received', 'labelled', 'dead') GROUP BY state"
        ).fetchall()
        counts = {row[0]: row[1] for row in rows}
        oldest = [row[3] for row in rows if row[0] in ("received", "labelled")]
        return Tally(
            pending=counts.get("received", 0) + counts.get("labelled", 0),
            dead=counts.get("dead", 0),
            held_bytes=int(sum(row[2] for row in rows)),
            oldest_s=max(0.0, time.time() - min(oldest)) if oldest else 0.0,
        )

    def _replay(self, ids: Sequence[str] | None) -> list[str]:
        now = time.time()
        with self._writing():
            if ids is None:
                ids = [
                    row[0]
                    for row in self._base.execute("SELECT id FROM events WHERE state = 'dead'")
                ]
            return [
                one
                for one in ids
                if self._base.execute(
                    _AGAIN + "WHERE id = :id AND state IN ('dead', 'delivered')",
                    {"id": one, "now": now},
                ).rowcount
            ]

    def _purge(self, keep_delivered_s: float, keep_dead_s: float, max_dead: int) -> list[str]:
        now = time.time()
        with self._writing():
            self._base.execute(
                "DELETE FROM events WHERE state = 'delivered' AND changed_at <= ?",
                (now - keep_delivered_s,),
            )
            gone = self._base.execute(
                "DELETE FROM events WHERE state = 'dead' AND (changed_at <= ? OR id NOT IN (SELECT "
                "id FROM events WHERE state = 'dead' ORDER BY changed_at DESC LIMIT ?)) "
                "RETURNING id",
                (now - keep_dead_s, max_dead),
            ).fetchall()
            self._base.executemany("DELETE FROM bodies WHERE id = ?", gone)
        # Pages that pictures left are given back to the disk, a few megabytes at a time.
        # As a script: `execute` would stop after the first page.
        self._base.executescript("PRAGMA incremental_vacuum(4096)")
        return [row[0] for row in gone]

    def _one(self, statement: str, *values: object) -> Any:
        return self._base.execute(statement, values).fetchone()
