"""Files and folders that appear under their name only when they are finished.

They are written beside it, as `.NAME.part`, and moved in one step. An aborted one leaves nothing.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any


class WholeFile:
    """A file that replaces the one of its name when it is closed.

    `stream` takes its content: text in UTF-8 with line ends as given, or bytes with `binary`.
    `errors` is the way of undecodable file names, see `codecs`.
    """

    def __init__(self, path: Path, *, binary: bool = False, errors: str = "strict") -> None:
        self.path = path
        self._part = beside(path, "part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.stream: IO[Any] = (
            self._part.open("wb")
            if binary
            else self._part.open("w", encoding="utf-8", errors=errors, newline="")
        )

    def close(self) -> None:
        """Move the file into place, on the disk before its name says that it is finished."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        self._part.replace(self.path)

    def abort(self) -> None:
        """Drop what was written."""
        with suppress(OSError):  # a full disk refuses what is still to be flushed
            self.stream.close()
        self._part.unlink(missing_ok=True)


class WholeFolder:
    """A folder that replaces the one of its name, with all that is in it, when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = beside(path, "part")
        path.parent.mkdir(parents=True, exist_ok=True)
        old = beside(path, "old")
        if old.exists() and not path.exists():  # the machine stopped between two renames
            old.replace(path)
        for left in (old, self.part):
            shutil.rmtree(left, ignore_errors=True)
        self.part.mkdir()

    def close(self) -> None:
        """Move the folder into place."""
        old = beside(self.path, "old")
        if self.path.exists():
            self.path.replace(old)
        self.part.replace(self.path)
        shutil.rmtree(old, ignore_errors=True)

    def abort(self) -> None:
        """Drop what was written."""
        shutil.rmtree(self.part, ignore_errors=True)


def beside(path: Path, suffix: str) -> Path:
    """The hidden neighbour of a file or folder: `.NAME.suffix`."""
    return path.with_name(f".{path.name}.{suffix}")
