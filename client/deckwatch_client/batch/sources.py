"""What a run is made of: folders, files, lists of paths, videos and streams, one by one.

Nothing here holds all names: a folder's own names are the most that is in memory at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from deckwatch_client.video import is_stream, is_video
from deckwatch_serving.picture_files import SUFFIXES
from deckwatch_vision.errors import DeckwatchError, UnreadableImage, UsageError

STDIN = "-"
LIST_SUFFIX = ".txt"
# Names that end in their own number, say, must not fill memory with suffixes.
_MOST_SUFFIXES = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A picture or video of a run.

    name: its path as given, or as found under a folder that was given; with forward slashes.
    error: why it cannot even be tried, such as a folder that may not be read.
    """

    name: str
    kind: Literal["picture", "video"] = "picture"
    error: DeckwatchError | None = None


class Sources:
    """Pictures and videos to recognise, in order; may be walked several times.

    Args:
        given: folders, files, lists (*.txt), videos, URLs of streams, "-" for a list on standard
            input.
        lists: files with a path a line, whatever their suffix.
        out: the run's own folder, which is left out.

    Raises:
        UsageError: one of them does not exist, or nothing was given.
    """

    def __init__(self, given: Sequence[str], lists: Sequence[str], out: Path) -> None:
        self._given = [_tidy(each) for each in given]
        self._lists = list(lists)
        self._out = os.path.realpath(out)
        self.others: Counter[str] = Counter()
        if not self._given and not self._lists:
            raise UsageError("Nothing to recognise. Name folders, pictures, videos or a --list.")
        for each in self._given:
            _check(each)
        for each in self._lists:
            if each != STDIN and not os.path.isfile(each):
                raise UsageError(f"{each}: there is no such list. Give a file with a path a line.")

    @property
    def once(self) -> bool:
        """Whether they can be walked only once, because a part comes from standard input."""
        return STDIN in self._given or STDIN in self._lists

    @property
    def live(self) -> bool:
        """Whether a live stream is among them, which ends when it is interrupted."""
        return any(is_stream(each) for each in self._given)

    @property
    def relative(self) -> bool:
        """Whether a name may depend on the folder in which the command was called."""
        return bool(self._lists) or any(
            not (is_stream(each) or os.path.isabs(each)) or _is_list(each) for each in self._given
        )

    def __iter__(self) -> Iterator[Item]:
        """Every picture and video; those that several arguments name may come several times."""
        self.others.clear()
        walked = {self._out}
        for each in self._given:
            if each == STDIN or _is_list(each):
                yield from self._listed(each, walked)
            else:
                yield from self._named(each, walked)
        for each in self._lists:
            yield from self._listed(each, walked)

    def _named(self, path: str, walked: set[str]) -> Iterator[Item]:
        """What one path stands for."""
        if not is_stream(path) and os.path.isdir(path):
            yield from self._walk(path, walked)
        else:
            yield Item(path, "video" if is_video(path) else "picture")

    def _listed(self, path: str, walked: set[str]) -> Iterator[Item]:
        # Not sys.stdin: a thread that waits for it would hold up the end of the process.
        source = 0 if path == STDIN else path
        try:
            with open(source, "rb", closefd=path != STDIN) as file:
                yield from self._lines(file, walked)
        except OSError as error:
            raise UsageError(f"The list {path} cannot be read ({error.strerror}).") from None

    def _lines(self, file: BinaryIO, walked: set[str]) -> Iterator[Item]:
        for number, line in enumerate(file):
            if number == 0:
                line = line.removeprefix(b"\xef\xbb\xbf")  # as editors on Windows write
            path = line.rstrip(b"\r\n")
            if path:
                yield from self._named(_tidy(os.fsdecode(path)), walked)

    def _walk(self, folder: str, walked: set[str]) -> Iterator[Item]:
        """Everything under a folder; sorted, so that a run's order is that of its results."""
        real = os.path.realpath(folder)
        if real in walked:  # named twice, a link back to a folder above, or the run's own
            return
        walked.add(real)
        try:
            with os.scandir(folder) as entries:
                found = sorted(
                    (os.fsencode(each.name), _kind(each))
                    for each in entries
                    if not each.name.startswith(".")
                )
        except OSError as error:
            message = f"the folder cannot be read ({error.strerror}). Check its permissions."
            yield Item(folder, error=UnreadableImage(message))
            return
        for encoded, kind in found:
            name = os.fsdecode(encoded)
            path = f"{folder}/{name}" if folder != "/" else f"/{name}"
            if kind == "folder":
                yield from self._walk(path, walked)
            elif kind == "other" or not (known := _by_suffix(name)):
                self._leave(name)
            else:
                yield Item(path, known)

    def _leave(self, name: str) -> None:
        suffix = os.path.splitext(name)[1].lower()
        if suffix not in self.others and len(self.others) >= _MOST_SUFFIXES:
            suffix = ""
        self.others[suffix] += 1


def identity(path: str) -> bytes:
    """The file's own path, links followed, by which it is known under all of its names.

    >>> identity("/proc/./self/../version")
    b'/proc/version'
    """
    if is_stream(path):
        return os.fsencode(path)
    folder, name = os.path.split(path)
    try:
        if name in ("", ".", "..") or os.path.islink(path):
            return os.fsencode(os.path.realpath(path))
        return os.fsencode(os.path.join(_real_folder(os.getcwd(), folder), name))
    except ValueError:  # a null character, as a list may hold
        return os.fsencode(path)


@lru_cache(maxsize=1024)  # folders come one after the other; looking each up per file would cost
def _real_folder(_current: str, folder: str) -> str:
    return os.path.realpath(folder)


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "file", "other"]:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        # A link to nowhere is a picture that is missing; a pipe would never end.
        return "file" if entry.is_symlink() and not os.path.exists(entry.path) else "other"
    except OSError:
        return "file"  # whoever opens it says why it cannot be read


def _by_suffix(name: str) -> Literal["picture", "video"] | None:
    if os.path.splitext(name)[1].lower() in SUFFIXES:
        return "picture"
    return "video" if is_video(name) else None


def _is_list(path: str) -> bool:
    return path.lower().endswith(LIST_SUFFIX) and not os.path.isdir(path)


def _tidy(path: str) -> str:
    """The path without what changes nothing, so that a file is called alike from run to run."""
    if is_stream(path) or "://" in path:
        return path
    root = "/" if path.startswith("/") else ""
    return root + "/".join(part for part in path.split("/") if part not in ("", ".")) or "."


def _check(path: str) -> None:
    if path == STDIN or is_stream(path):
        return
    if "://" in path:
        raise UsageError(
            f"{path} cannot be opened. Give files, or a stream as rtsp://host/path; what is on "
            "the web has to be downloaded first."
        )
    if not os.path.lexists(path):
        raise UsageError(f"{path}: there is no such file or folder. Check the path.")
