"""The checkpoint of a run, log.jsonl: a line for each picture once it is done, only appended to.

A line is a record (see `records`) with one key more, `stamp`: size and time of change of the file,
by which a picture that was replaced is noticed. The newest line of a name counts. Where a video
was read to its end, a line says so: {"finished": {"video": NAME, "stamp": STAMP}}.

A process that is killed loses at most the pictures it was at, because every line is handed to the
system at once. A machine that loses power loses at most the second between two writings to disk;
writing each line to disk would hold up the run for some milliseconds a picture.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from deckwatch_vision.errors import DeckwatchError

FILE = "log.jsonl"
SYNC_EVERY_S = 1.0
_BLOCK = 1 << 16


class Log:
    """The log opened for reading and appending; a last line that was cut off is removed.

    Raises:
        DeckwatchError: it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._writing():
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._end = self._cut()
        self._synced = time.monotonic()
        self.damaged = 0

    def entries(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Offset, length and content of every line.

        A line that is damaged (after a power cut some file systems show zeros where data had not
        reached the disk) is passed over and counted, and the lines after it are kept: its picture
        is recognised again.
        """
        offset = 0
        with self.path.open("rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                    if not isinstance(entry, dict):
                        raise ValueError
                except ValueError:
                    self.damaged += 1
                else:
                    yield offset, len(line), entry
                offset += len(line)

    def append(self, entry: dict[str, Any]) -> tuple[int, int]:
        """Add a line; its offset and length.

        Raises:
            DeckwatchError: the disk refuses, for instance because it is full; the log stays whole.
        """
        line = json.dumps(entry).encode() + b"\n"
        offset, left = self._end, memoryview(line)
        with self._writing():
            try:
                while left:
                    done = os.pwrite(self._file, left, self._end + len(line) - len(left))
                    left = left[done:]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._end)
                raise
        self._end += len(line)
        if time.monotonic() - self._synced >= SYNC_EVERY_S:
            self.sync()
        return offset, len(line)

    def read(self, offset: int, length: int) -> dict[str, Any]:
        """A line again."""
        with self._writing():
            entry: dict[str, Any] = json.loads(os.pread(self._file, length, offset))
        return entry

    def sync(self) -> None:
        """Wait until everything is on the disk. Raises DeckwatchError."""
        with self._writing():
            os.fsync(self._file)
        self._synced = time.monotonic()

    def close(self) -> None:
        """Write to disk and close. Raises DeckwatchError."""
        if self._file < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut(self) -> int:
        """Remove what stands behind the last line end; where the file ends then."""
        size = end = os.fstat(self._file).st_size
        while end > 0:
            start = max(0, end - _BLOCK)
            found = os.pread(self._file, end - start, start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._file, end)
        return end

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise disk_error(error, self.path) from None


def disk_error(error: OSError, path: Path) -> DeckwatchError:
    """What to say where the disk refused."""
    return DeckwatchError(
        f"Cannot write {error.filename or path}: {error.strerror}. Nothing that was done is lost: "
        "make room or mend the disk, then the same command goes on where it was."
    )
