"""Backgrounds on disk: one file for each camera, by day or by night, and each way it has looked.

    DIR/deck-2-5d7f30a1.day.1.npz

A file holds the picture, its spread and a line of JSON about them. It is written whole, and checked
when it is read: a damaged one is refused with what to do, never taken for a background.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deckwatch_serving import picture_files
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Counts up when a file of before can no longer be read.
VERSION = 1
SUFFIX = ".npz"
# Longest side of a background. On simulated cameras 640 pixels told static fish from real ones no
# better, for twice the time and four times the memory.
LONGEST = 320
_MOST_BYTES = 8 * LONGEST * LONGEST
_ARRAYS = {"picture.npy", "spread.npy", "about.npy"}


@dataclass(frozen=True)
class Background:
    """What a camera sees when nothing happens.

    picture: RGB uint8 [h,w,3], no side longer than `LONGEST`; spread: uint8 [h,w], by how much a
    pixel wavers (median absolute deviation, the most of its three channels); camera: its name, None
    where it has none; night: seen by night vision or in the dark; view: 1 for the first way the
    camera was mounted, then 2 and so on; size: width and height of the pictures it was learnt from;
    pictures: how many these were; method: "median" or "mog2".
    """

    picture: Pixels
    spread: Pixels
    camera: str | None
    night: bool
    view: int
    size: tuple[int, int]
    pictures: int
    method: str

    @property
    def name(self) -> str:
        """What messages call it."""
        named = "the camera without a name" if self.camera is None else f"camera {self.camera!r}"
        return f"{named} by {'night' if self.night else 'day'}"

    def about(self) -> dict[str, Any]:
        """What is known of it besides the pixels, as JSON."""
        return {
            "camera": self.camera,
            "night": self.night,
            "view": self.view,
            "width": self.size[0],
            "height": self.size[1],
            "pictures": self.pictures,
            "method": self.method,
        }


class Backgrounds:
    """The backgrounds in a folder, or the one in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> list[Path]:
        """All files of backgrounds, by name.

        Raises:
            UsageError: there is no such file or folder.
        """
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise UsageError(
                f"{self.path}: no such file or folder of backgrounds. "
                "Make one with `deckwatch background learn`."
            )
        return sorted(self.path.glob(f"[!.]*{SUFFIX}"))

    def __iter__(self) -> Iterator[Background]:
        """All backgrounds. Raises UsageError for a damaged file."""
        return (read(file) for file in self.files())

    def of(self, camera: str | None, *, night: bool) -> list[Background]:
        """The views of a camera by day or by night; none where nothing was learnt.

        Raises:
            UsageError: there is no such file or folder, or a file is damaged.
        """
        if self.path.is_file():
            only = read(self.path)
            return [only] if (only.camera, only.night) == (camera, night) else []
        stem = _stem(camera, night=night)
        return [read(file) for file in self.files() if file.name.startswith(f"{stem}.")]

    def cameras(self) -> list[str | None]:
        """The cameras that have a background; the one without a name first."""
        found = set()
        for file in self.files():
            with _refusing(file):
                found.add(_camera(_checked(_arrays(file, ("about",))["about"])))
        return sorted(found, key=lambda camera: camera or "")

    def write(self, background: Background) -> Path:
        """Keep a background under its camera's name; returns the file. An older one is replaced."""
        stem = _stem(background.camera, night=background.night)
        file = self.path / f"{stem}.{background.view}{SUFFIX}"
        content = io.BytesIO()
        about = json.dumps({"version": VERSION, **background.about()})
        np.savez_compressed(
            content,
            picture=background.picture,
            spread=background.spread,
            about=np.frombuffer(about.encode(), np.uint8),
        )
        picture_files.write(file, content.getvalue())
        return file

    def forget(self, camera: str | None, *, night: bool) -> None:
        """Remove what is known of a camera by day or by night, before it is learnt anew."""
        for file in self.path.glob(f"{_stem(camera, night=night)}.*{SUFFIX}"):
            file.unlink()


def read(file: Path) -> Background:
    """The background in a file.

    Raises:
        UsageError: it is missing, damaged, or of another version.
    """
    with _refusing(file):
        arrays = _arrays(file, ("about", "picture", "spread"))
        about = _checked(arrays["about"])
        found = Background(
            arrays["picture"],
            arrays["spread"],
            _camera(about),
            bool(about["night"]),
            int(about["view"]),
            (int(about["width"]), int(about["height"])),
            int(about["pictures"]),
            str(about["method"]),
        )
        shape = found.picture.shape
        if len(shape) != 3 or shape[2] != 3 or not 1 <= max(shape[:2]) <= LONGEST:
            raise ValueError(f"a picture of shape {shape}")
        if found.spread.shape != shape[:2] or min(*shape, *found.size) < 1:
            raise ValueError(f"shapes {shape} and {found.spread.shape}, size {found.size}")
        return found


@contextmanager
def _refusing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}).") from None
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(
            f"{file} is no background that this version reads ({type(error).__name__}: {error}). "
            "Delete it and run `deckwatch background learn` again."
        ) from None


def _checked(about: Pixels) -> dict[str, Any]:
    """What a file says of itself. Raises ValueError where it is of another version."""
    told = json.loads(about.tobytes())
    if told["version"] != VERSION:
        raise ValueError(f"version {told['version']}, and not {VERSION}")
    return dict(told)


def _camera(about: Mapping[str, Any]) -> str | None:
    return None if about["camera"] is None else str(about["camera"])


def _arrays(file: Path, names: Sequence[str]) -> dict[str, Pixels]:
    """Some arrays of a file, unpacked only once their size is known."""
    with zipfile.ZipFile(file) as packed:
        held = {each.filename: each.file_size for each in packed.infolist()}
    if set(held) != _ARRAYS or sum(held.values()) > _MOST_BYTES:
        raise ValueError(f"it holds {', '.join(sorted(held))[:200]}")
    with np.load(file, allow_pickle=False) as content:
        arrays = {name: np.asarray(content[name]) for name in names}
    if any(array.dtype != np.uint8 for array in arrays.values()):
        raise ValueError("its numbers are not bytes")
    return arrays


def _stem(camera: str | None, *, night: bool) -> str:
    """The beginning of a camera's file names, safe on every file system and its own.

    What a file name cannot hold is replaced, so that the digest of the name tells cameras apart.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", camera or "").strip("-")[:40] or "camera"
    digest = hashlib.sha256(repr(camera).encode()).hexdigest()[:8]
    return f"{plain}-{digest}.{'night' if night else 'day'}"
