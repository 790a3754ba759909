"""What the log holds, by file: an SQLite on disk that goes with the process.

With it memory stays bounded: SQLite keeps its cache small and the rest in an unnamed file under
SQLITE_TMPDIR, TMPDIR or /var/tmp, about 300 bytes a picture.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from deckwatch_client.records import Moment

_CACHE_KIB = 32 * 1024

_TABLES = """
CREATE TABLE items (
    identity BLOB PRIMARY KEY, place BLOB, time_s REAL, video BLOB, stamp TEXT,
    start INTEGER, length INTEGER, failed INTEGER, seen INTEGER
) WITHOUT ROWID;
CREATE INDEX items_video ON items (video) WHERE video IS NOT NULL;
CREATE TABLE videos (
    identity BLOB PRIMARY KEY, stamp TEXT, time_s REAL, frame INTEGER, finished INTEGER,
    seen INTEGER
) WITHOUT ROWID;
"""


class Known(Enum):
    """What is known of a file when the run comes to it."""

    NEW = "new"  # also changed, or failed before: to be worked on
    DONE = "done"
    TWICE = "twice"  # this run met it before, under this or another name


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a video is: what is known of it as a whole, and the moment to go on after."""

    known: Known
    after: Moment | None = None


class Index:
    """Files by identity (see `sources.identity`); safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # "" is SQLite's name for a private file that is gone when it is closed.
        self._base = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        # A crash ends the index as well: nothing is worth a journal.
        self._base.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};"
            f"{_TABLES} BEGIN;"
        )
        self._running = False

    def start(self) -> None:
        """The log is read: what is noted from now on was met by this run."""
        self._running = True

    def meet(self, identity: bytes, stamp: str) -> Known:
        """The run comes to a picture or frame."""
        with self._lock:
            row = self._one("SELECT seen, failed, stamp FROM items WHERE identity = ?", identity)
            if row is None:
                self._base.execute(
                    "INSERT INTO items (identity, failed, seen) VALUES (?, 1, 1)", (identity,)
                )
                return Known.NEW
            seen, failed, noted = row
            if seen:
                return Known.TWICE
            self._base.execute("UPDATE items SET seen = 1 WHERE identity = ?", (identity,))
            # Without a stamp the file is not there any more: what was found in it stays.
            return Known.DONE if not failed and stamp in (noted, "") else Known.NEW

    def meet_video(self, identity: bytes, name: str, stamp: str) -> Progress:
        """The run comes to a video."""
        with self._lock:
            row = self._one(
                "SELECT seen, stamp, time_s, frame, finished FROM videos WHERE identity = ?",
                identity,
            )
            if row and row[0]:
                return Progress(Known.TWICE)
            self._base.execute(
                "INSERT INTO videos (identity, stamp, finished, seen) VALUES (?1, ?2, 0, 1) "
                "ON CONFLICT DO UPDATE SET seen = 1",
                (identity, stamp),
            )
            if row is None or stamp not in (row[1], ""):
                return Progress(Known.NEW)
            failed = self._one("SELECT 1 FROM items WHERE video = ? AND failed = 1", identity)
            if failed:
                return Progress(Known.NEW)  # from its start: what succeeded is passed over
            if row[4]:
                return Progress(Known.DONE)
            after = None if row[2] is None else Moment(name, row[2], row[3])
            return Progress(Known.NEW, after)

    def note(
        self,
        identity: bytes,
        name: str,
        stamp: str,
        line: tuple[int, int],
        *,
        failed: bool,
        video: bytes | None = None,
        moment: Moment | None = None,
    ) -> None:
        """A line of the log: it counts instead of an earlier one of the same file.

        Args:
            identity: of the picture or frame.
            name: in the run.
            stamp: of the file.
            line: offset and length.
            failed: whether it says why there is no result.
            video: for a frame the identity of its video, for a video that failed its own.
            moment: of the frame.
        """
        place = place_of(moment.video if moment else name)
        time_s = moment.time_s if moment else -1.0
        with self._lock:
            if video is not None:
                self._note_video(video, stamp, moment)
            self._base.execute(
                "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "place = excluded.place, time_s = excluded.time_s, video = excluded.video, "
                "stamp = excluded.stamp, start = excluded.start, length = excluded.length, "
                "failed = excluded.failed",
                (identity, place, time_s, video, stamp, *line, failed, self._running),
            )

    def finish(self, video: bytes, stamp: str) -> None:
        """A video was read to its end."""
        with self._lock:
            self._note_video(video, stamp, None)
            self._base.execute("UPDATE videos SET finished = 1 WHERE identity = ?", (video,))

    def lines(self) -> Iterator[tuple[int, int, bool, bool]]:
        """Offset, length, whether failed, whether met by this run, in the order of the results.

        That is by name, one folder after the other, and by time within a video.
        """
        with self._lock:
            rows = self._base.execute(
                "SELECT start, length, failed, seen FROM items WHERE start IS NOT NULL "
                "ORDER BY place, time_s, identity"
            )
        for start, length, failed, seen in rows:
            yield start, length, bool(failed), bool(seen)

    def __len__(self) -> int:
        with self._lock:
            found: int = self._base.execute(
                "SELECT COUNT(*) FROM items WHERE start IS NOT NULL"
            ).fetchone()[0]
        return found

    def close(self) -> None:
        """Drop it."""
        self._base.close()

    def _note_video(self, video: bytes, stamp: str, moment: Moment | None) -> None:
        row = self._one("SELECT stamp FROM videos WHERE identity = ?", video)
        if row and stamp not in (row[0], ""):
            # Another file stands there now: what was seen in the old one is no part of the run.
            self._base.execute("DELETE FROM items WHERE video = ? AND stamp != ?", (video, stamp))
            self._base.execute(
                "UPDATE videos SET stamp = ?, time_s = NULL, finished = 0 WHERE identity = ?",
                (stamp, video),
            )
        if row is None:
            self._base.execute(
                "INSERT INTO videos (identity, stamp, finished, seen) VALUES (?, ?, 0, 0)",
                (video, stamp),
            )
        # That it could not be opened was an earlier attempt.
        self._base.execute("DELETE FROM items WHERE identity = ?", (video,))
        if moment is not None:
            self._base.execute(
                "UPDATE videos SET time_s = ?, frame = ? "
                "WHERE identity = ? AND (time_s IS NULL OR time_s < ?)",
                (moment.time_s, moment.frame, video, moment.time_s),
            )

    def _one(self, statement: str, value: bytes) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._base.execute(statement, (value,)).fetchone()
        return row


def place_of(name: str) -> bytes:
    """By what names are sorted: folder by folder, bytes by value.

    >>> sorted(["a.b/1", "a/2", "a/10"], key=place_of)
    ['a/10', 'a/2', 'a.b/1']
    """
    return os.fsencode(name).replace(b"/", b"\0")


def frame_identity(video: bytes, moment: Moment) -> bytes:
    """A frame's identity; no file has a name like that."""
    return video + b"\0" + f"{moment.time_s:.3f}".encode()
