"""A bounded folder of kept pictures, shared by any number of processes of one machine.

    FOLDER/ab/abcd....jpg     the picture, byte for byte as it came
    FOLDER/ab/abcd....json    its record
    FOLDER/index.sqlite       what is there, and how often every vessel, camera and night was seen

Pictures and records are moved into place whole, and the index is mended from them when the folder
is opened, so a process may be killed at any moment. Lock files and SQLite need a local disk.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deckwatch_serving.keep.index import open_index
from deckwatch_serving.keep.record import Kept
from deckwatch_serving.keep.store import MAX_BYTES, MAX_PICTURES, Stored, Tell, parsed
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import sha256_file

INDEX, LOCK = "index.sqlite", ".lock"
PART = ".part"


class FolderStore:
    """Keeps pictures in a folder of at most `max_bytes` and `max_pictures`.

    Where it is full, the least interesting leaves; of equals the oldest.

    Raises:
        UsageError: the folder cannot be made or written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        max_pictures: int = MAX_PICTURES,
    ) -> None:
        self.folder = Path(folder)
        self._limits = (max_bytes, max_pictures)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # One at a time mends: another one's half-written files are no orphans.
            with _alone(self.folder / LOCK):
                self._index = open_index(self.folder / INDEX)
                with self._index.writing():
                    self._mend()
        except OSError as error:
            raise UsageError(
                f"Cannot keep pictures in {self.folder}: {error.strerror or error}. Name a folder "
                "that can be written."
            ) from None

    def notice(self, cells: Sequence[str]) -> dict[str, int]:
        """See `Store.notice`."""
        return self._index.notice(cells) if cells else {}

    def keep(self, kept: Kept, data: bytes) -> Stored:
        """See `Store.keep`.

        Raises:
            OSError: the disk is full, or the folder is gone or not writable.
        """
        record = kept.to_json()
        size = len(data) + len(record)
        with self._index.writing():
            if self._index.has_like(kept):
                return "duplicate"
            leaving = self._index.leaving(kept.score, size, *self._limits)
            if leaving is None:
                return "outranked"
            _write(self.folder / kept.picture, data)
            # The record last: a picture without one is swept away, and never the other way round.
            _write(self.folder / kept.record, record)
            self._index.add(kept, size)
            for sha256 in leaving:
                self._remove(sha256)
        return "kept"

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def _remove(self, sha256: str) -> None:
        # The record first: without it the picture no longer counts.
        for path in sorted((self.folder / sha256[:2]).glob(f"{sha256}.*"), key=_record_first):
            path.unlink(missing_ok=True)
        self._index.remove(sha256)

    def _mend(self) -> None:
        """Make the index say what is there, and sweep away what a killed process left behind."""
        found: dict[str, list[Path]] = {}
        for path in self.folder.glob("??/*"):
            if path.suffix == PART:
                path.unlink(missing_ok=True)
            else:
                found.setdefault(path.stem, []).append(path)
        known = self._index.all()
        for sha256, paths in found.items():
            record = next((path for path in paths if path.suffix == ".json"), None)
            whole = record is not None and len(paths) == 2
            if not (whole and (sha256 in known or self._adopt(record))):
                for path in paths:
                    path.unlink(missing_ok=True)
                self._index.remove(sha256)
        for sha256 in known - found.keys():
            self._index.remove(sha256)
        for sha256 in self._index.surplus(*self._limits):  # the limits may have been lowered
            self._remove(sha256)

    def _adopt(self, path: Path | None) -> bool:
        """Take a record and its picture into the index, where they are good."""
        try:
            if path is None:
                return False
            record = path.read_bytes()
            kept = Kept.from_json(record, str(path))
            size = (self.folder / kept.picture).stat().st_size
        except (UsageError, OSError):
            return False
        self._index.add(kept, size + len(record))
        return True


class FolderSource:
    """Reads a folder of kept pictures, also while others keep more in it.

    Raises:
        UsageError: there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UsageError(
                f"There is no folder {self.folder}. Give the folder or s3://bucket/prefix in which "
                "pictures are kept (DECKWATCH_KEEP)."
            )

    def records(self, tell: Tell | None = None) -> Iterator[Kept]:
        """See `Source.records`."""
        for path in sorted(self.folder.glob("??/*.json")):
            try:
                data = path.read_bytes()
            except FileNotFoundError:  # it has left meanwhile
                continue
            yield from parsed(data, str(path), tell)

    def read(self, kept: Kept) -> bytes:
        """See `Source.read`."""
        path = self.folder / kept.picture
        try:
            found = sha256_file(path)
            if found == kept.sha256:
                return path.read_bytes()
        except OSError as error:
            raise UsageError(
                f"Cannot read {path}: {error.strerror}. It may have made room for a more "
                "interesting picture; run the command again."
            ) from None
        raise UsageError(f"{path} was changed: its SHA-256 is {found}. Delete it and its record.")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(path.name + PART)
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())  # or a power cut leaves an empty file under the final name
    part.replace(path)


def _record_first(path: Path) -> tuple[bool, str]:
    return path.suffix != ".json", path.name
