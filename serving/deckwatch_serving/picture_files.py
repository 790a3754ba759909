"""Picture files on disk: found, read with bounds, written whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_vision.errors import ImageTooLarge, UnreadableImage
from deckwatch_vision.images import MAX_BYTES, decode

# What a camera or a person may have called a file that `decode` reads.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def find(folder: Path) -> Iterator[str]:
    """Picture files under a folder, hidden ones left out.

    Relative, with forward slashes, in alphabetical order within each folder.
    """
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield Path(where, name).relative_to(folder).as_posix()


def load(path: Path) -> NDArray[np.uint8]:
    """Upright RGB uint8 [H, W, 3], decoded as in production.

    Raises:
        ImageError: missing, unreadable, too large, broken or of another format; the message says
            which, without the file's name.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageTooLarge(f"it has {size:,} bytes; at most {MAX_BYTES:,} are accepted")
        return decode(path.read_bytes())
    except FileNotFoundError:
        raise UnreadableImage("there is no such file") from None
    except OSError as error:
        raise UnreadableImage(f"it cannot be read ({error.strerror})") from None


def stamp(path: Path) -> str:
    """Size and time of change in nanoseconds: another file where they differ; "" without one."""
    try:
        told = path.stat()
    except OSError:
        return ""
    return f"{told.st_size} {told.st_mtime_ns}"


def write(path: Path, data: bytes) -> None:
    """Write a file so that nobody sees half of it."""
    part = _part(path)
    try:
        part.write_bytes(data)
    except FileNotFoundError:  # looking for the folder first would cost as much as the file
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
    part.replace(path)


def link(source: Path, target: Path, *, copy: bool = False) -> None:
    """Let `target` be the same file as `source`: a hard link, or a copy where none can be made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    part.unlink(missing_ok=True)
    try:
        if copy:
            raise OSError
        os.link(source.resolve(), part)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, part)
    os.replace(part, target)
    # Renaming one hard link of a file over another does nothing and leaves both names.
    part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    # Hidden, so that `find` never takes an unfinished file for a picture.
    return path.with_name(f".{path.name}.part")
