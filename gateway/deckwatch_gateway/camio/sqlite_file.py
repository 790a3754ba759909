"""The SQLite file of a queue: its tables, opening it, reading a row."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deckwatch_gateway.camio.store import Entry, host_of
from deckwatch_vision.errors import UsageError

SCHEMA = 1
# The first that knows RETURNING.
OLDEST = (3, 35)
# Seconds that a process waits for another one's turn.
PATIENCE_S = 10.0
# What the write-ahead log may keep on disk once it was copied back.
MAX_LOG_BYTES = 64 * 1024**2

# The bodies lie apart: SQLite writes a row anew as a whole, and pictures are large.
_TABLES = """
CREATE TABLE events (
    id TEXT PRIMARY KEY, key_name TEXT NOT NULL, camera TEXT NOT NULL, images INTEGER NOT NULL,
    callback_url TEXT NOT NULL, state TEXT NOT NULL, received_at REAL NOT NULL,
    since REAL NOT NULL, changed_at REAL NOT NULL, due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, unfinished INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', token TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL, answer BLOB
);
CREATE INDEX by_due ON events (due_at) WHERE state IN ('received', 'labelled');
CREATE INDEX by_state ON events (state, changed_at);
CREATE INDEX by_size ON events (size) WHERE size > 0;
CREATE TABLE bodies (id TEXT PRIMARY KEY, body BLOB NOT NULL);
"""

# The columns that `read_entry` reads.
ENTRY = (
    "id, key_name, camera, images, callback_url, state, received_at, since, due_at, attempts, "
    "unfinished, reason"
)


def open_file(path: Path, *, create: bool) -> sqlite3.Connection:
    """The opened file, for any thread that takes turns with others.

    Raises:
        UsageError: it cannot be made or read, is no queue, or without `create` is not there.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        raise UsageError(
            f"Python's SQLite is {sqlite3.sqlite_version}; a queue needs "
            f"{'.'.join(map(str, OLDEST))} or newer. Use a newer Python, or a queue on a Redis "
            "server."
        )
    if not create and not path.exists():
        raise UsageError(f"there is no queue at {path}. Name the one that the gateway uses.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made by hand, because SQLite would let everybody read it; its neighbours take its mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise UsageError(
            f"the queue {path} cannot be written ({error.strerror}). Name a file in a folder of "
            "your own."
        ) from None
    base = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(base, path)
    except sqlite3.Error as error:
        base.close()
        raise UsageError(
            f"{path} cannot be used as a queue: {error}. Name another file, or move this one away "
            "and a new one is made."
        ) from error
    except UsageError:
        base.close()
        raise
    return base


def _prepare(base: sqlite3.Connection, path: Path) -> None:
    base.execute("PRAGMA auto_vacuum=INCREMENTAL")  # only a new file takes it over
    base.execute("PRAGMA journal_mode=WAL")
    # An acknowledged event survives a power cut: the log is on disk before `put` returns.
    base.execute("PRAGMA synchronous=FULL")
    base.execute(f"PRAGMA journal_size_limit={MAX_LOG_BYTES}")
    # Pictures can show people: what is deleted is overwritten, not only marked as free.
    base.execute("PRAGMA secure_delete=ON")
    if _version(base) == 0:
        base.execute("BEGIN IMMEDIATE")
        if _version(base) == 0:  # and no other process was faster
            for statement in _TABLES.split(";"):
                base.execute(statement)
            base.execute(f"PRAGMA user_version={SCHEMA}")
        base.execute("COMMIT")
    if _version(base) != SCHEMA:
        raise UsageError(
            f"{path} is the queue of another version of Deckwatch: its schema is {_version(base)}, "
            f"ours {SCHEMA}. Let the version that made it finish its events, or name another file."
        )


def _version(base: sqlite3.Connection) -> int:
    return int(base.execute("PRAGMA user_version").fetchone()[0])


def read_entry(row: Sequence[Any]) -> Entry:
    """What can be told of the event in a row that begins with `ENTRY`."""
    facts: tuple[Any, ...] = (*row[:4], host_of(row[4]), *row[5:12])
    return Entry(*facts)
