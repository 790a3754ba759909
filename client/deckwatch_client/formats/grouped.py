"""Rows grouped by a key on disk, for formats whose files have to be joined.

fish = Groups()
fish.add("a.jpg", {"score": 0.9})
fish.take("a.jpg")  # [{"score": 0.9}]
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

# Rows handed to the database at once; one by one would take ten times as long.
_AT_ONCE = 1000
_OF_KEY = "SELECT value FROM rows WHERE key = ? ORDER BY rank, rowid"


class Groups:
    """JSON values by key, each key's by rank and arrival; memory does not grow with them.

    Everything is added before anything is taken.
    """

    def __init__(self) -> None:
        # "" is a database of its own in a temporary file that goes with the connection.
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._base.execute("CREATE TABLE rows (key BLOB, rank REAL, value TEXT)")
        self._base.execute("BEGIN")
        self._waiting: list[tuple[bytes, float, str]] = []
        self._sorted = False

    def add(self, key: str, value: Any, rank: float = 0.0) -> None:
        """Append a value to a key's, after those of a lower rank."""
        self._waiting.append((_encoded(key), rank, json.dumps(value)))
        if len(self._waiting) >= _AT_ONCE:
            self._hand_over()

    def take(self, key: str) -> list[Any]:
        """The values of a key; empty for one that nothing was added to."""
        self._sort()
        return [json.loads(value) for (value,) in self._base.execute(_OF_KEY, (_encoded(key),))]

    def walk(self) -> Iterator[tuple[str, Iterator[Any]]]:
        """Every key by its first value's arrival, with its values."""
        self._sort()
        keys = self._base.execute("SELECT key FROM rows GROUP BY key ORDER BY min(rowid)")
        for (key,) in keys:
            rows = self._base.execute(_OF_KEY, (key,))
            yield _decoded(key), (json.loads(value) for (value,) in rows)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _sort(self) -> None:
        if not self._sorted:
            self._hand_over()
            self._base.execute("CREATE INDEX by_key ON rows (key, rank)")
            self._sorted = True

    def _hand_over(self) -> None:
        self._base.executemany("INSERT INTO rows VALUES (?, ?, ?)", self._waiting)
        self._waiting.clear()


# File names that are no UTF-8 come as halves of surrogate pairs, which SQLite takes as no text.
def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _decoded(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
