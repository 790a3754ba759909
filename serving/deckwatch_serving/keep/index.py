"""The index of a folder of kept pictures: SQLite, so that several processes may share it.

Everything in it but the counts can be made again from the records beside the pictures.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from deckwatch_serving.keep.likes import Like, camera_of
from deckwatch_serving.keep.record import Kept

# Seconds that a process waits for another one's turn.
PATIENCE_S = 10.0
# Senders may name cameras as they like; so many of the names are remembered, the commonest.
MAX_CELLS, FORGET_EVERY = 100_000, 1000

_TABLES = """
CREATE TABLE IF NOT EXISTS kept (
    sha256 TEXT PRIMARY KEY, score REAL NOT NULL, size INTEGER NOT NULL, kept_at TEXT NOT NULL,
    answer TEXT NOT NULL, camera TEXT NOT NULL, likeness TEXT NOT NULL, places TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_score ON kept (score, kept_at);
CREATE INDEX IF NOT EXISTS by_answer ON kept (answer, camera);
CREATE TABLE IF NOT EXISTS seen (cell TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""


class Index:
    """Which pictures are kept, and how often each cell was seen."""

    def __init__(self, path: Path) -> None:
        self._noticed = 0
        # The keeper works in a thread of its own, one at a time.
        self._base = sqlite3.connect(
            path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._base.execute("PRAGMA journal_mode=WAL")
            # Not at every count: after a power cut the index is mended from the records.
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)
            if self._base.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the file is damaged")
        except BaseException:
            self._base.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of the block or, where it raises, nothing of it; other processes wait meanwhile."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # SQLite may have rolled back by itself (disk full); the first error is what matters.
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def notice(self, cells: Sequence[str]) -> dict[str, int]:
        """Count one more of each cell; gives how many there were before."""
        with self.writing():
            before = {}
            for cell in cells:
                row = self._base.execute("SELECT count FROM seen WHERE cell = ?", (cell,))
                before[cell] = int((row.fetchone() or (0,))[0])
                self._base.execute(
                    "INSERT INTO seen VALUES (?, 1) "
                    "ON CONFLICT (cell) DO UPDATE SET count = count + 1",
                    (cell,),
                )
            self._noticed += 1
            if self._noticed % FORGET_EVERY == 0:
                self._base.execute(
                    "DELETE FROM seen WHERE cell IN "
                    "(SELECT cell FROM seen ORDER BY count DESC LIMIT -1 OFFSET ?)",
                    (MAX_CELLS,),
                )
        return before

    def has_like(self, kept: Kept) -> bool:
        """Whether it is kept, or one of the same camera and answer that looks like it."""
        if self._base.execute("SELECT 1 FROM kept WHERE sha256 = ?", (kept.sha256,)).fetchone():
            return True
        rows = self._base.execute(
            "SELECT likeness, places FROM kept WHERE answer = ? AND camera = ?",
            (kept.answer, camera_of(kept)),
        )
        return Like.of(kept).near_any([(int(likeness, 16), places) for likeness, places in rows])

    def leaving(
        self, score: float, size: int, max_bytes: int, max_pictures: int
    ) -> list[str] | None:
        """Which pictures make room for one of `size` bytes and this score.

        The least interesting first, of equals the oldest; None where one of them is more
        interesting than it, or it would not fit into an empty folder.
        """
        if size > max_bytes or max_pictures < 1:
            return None
        rows = self._surplus(max_bytes - size, max_pictures - 1)
        if any(least > score for _, least in rows):
            return None
        return [sha256 for sha256, _ in rows]

    def surplus(self, max_bytes: int, max_pictures: int) -> list[str]:
        """Which pictures are too many, the least interesting first."""
        return [sha256 for sha256, _ in self._surplus(max_bytes, max_pictures)]

    def _surplus(self, max_bytes: int, max_pictures: int) -> list[tuple[str, float]]:
        count, held = self._base.execute("SELECT COUNT(*), TOTAL(size) FROM kept").fetchone()
        rows = self._base.execute("SELECT sha256, score, size FROM kept ORDER BY score, kept_at")
        found = []
        while count > max_pictures or held > max_bytes:
            sha256, score, size = rows.fetchone()
            found.append((sha256, score))
            count, held = count - 1, held - size
        return found

    def add(self, kept: Kept, size: int) -> None:
        """Note a picture whose files, of `size` bytes together, are in place."""
        like = Like.of(kept)
        self._base.execute(
            "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kept.sha256, kept.score, size, kept.kept_at, kept.answer, camera_of(kept),
                f"{like.likeness:016x}", like.packed,
            ),
        )  # fmt: skip

    def remove(self, sha256: str) -> None:
        """Forget a picture."""
        self._base.execute("DELETE FROM kept WHERE sha256 = ?", (sha256,))

    def all(self) -> set[str]:
        """Every picture that is kept."""
        return {row[0] for row in self._base.execute("SELECT sha256 FROM kept")}

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def open_index(path: Path) -> Index:
    """The index at `path`; a damaged one is laid aside as `index.sqlite.damaged`, and made anew."""
    try:
        return Index(path)
    except sqlite3.OperationalError as error:  # locked, or the disk: nothing wrong with its content
        raise OSError(0, f"{path.name}: {error}") from error
    except sqlite3.DatabaseError:
        path.replace(path.with_name(path.name + ".damaged"))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Index(path)
