"""What every importer gets and gives: a source of pictures, and the pictures found in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deckwatch_training.catalogue import Box
from deckwatch_vision.errors import UsageError

# Files that are taken for pictures; whether they are is found out by decoding them.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where to import from.

    path: the file or folder. images: folder of the pictures, where it is not the usual one of the
    format. boxes: NCFM's folder of box JSONs. classes: YOLO's file of class names. confidence:
    MegaDetector's detections below it are left out. level: Fishnet's label column, 1 or 2.
    """

    path: Path
    images: Path | None = None
    boxes: Path | None = None
    classes: Path | None = None
    confidence: float = 0.2
    level: int = 1

    def picture(self, name: str, folder: Path) -> Path:
        """Where a picture that the source calls `name` lies, below `images` or else `folder`."""
        return (self.images or folder) / name.replace("\\", "/")


@dataclass(frozen=True, slots=True)
class Found:
    """One picture as its source describes it: labels in the source's own words.

    boxes: in pixels, or with `relative` in shares of the picture's sides. size: width and height
    that the boxes were drawn on, where the source says. where: file and line, for messages. The
    rest is as in `catalogue.Entry`.
    """

    path: Path
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] | None = None
    relative: bool = False
    where: str = ""
    label: str | None = None
    vessel: str | None = None
    camera: str | None = None
    captured_at: str | None = None
    source: str | None = None
    licence: str | None = None
    split: str | None = None
    night: bool | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be taken as it was: which file, what is wrong, what to do.

    lost: a picture or a box is missing from the data set because of it.
    """

    file: str
    what: str
    cure: str
    lost: bool = True


Items = Iterator[Found | Problem]


@dataclass(frozen=True, slots=True)
class Importer:
    """A format: one line of help, whether a path looks like it, and how it is read."""

    help: str
    recognises: Callable[[Path], bool]
    read: Callable[[Source], Items]


def pictures_below(folder: Path) -> Iterator[Path]:
    """Files that look like pictures, sorted, so that the order does not depend on the disk.

    Raises:
        UsageError: it is no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Name the folder of the pictures with --images.")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UsageError: it cannot be read or is no JSON; the message names file, line and column.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}. Correct the path.") from None
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}. Export it again.") from None


def peek_json(path: Path) -> str:
    """The first characters of a JSON file, to tell formats apart; "" of anything else."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(4096).decode("utf-8-sig", "replace")


def read_table(path: Path) -> Iterator[tuple[dict[str, str], str]]:
    """The rows of a CSV with a head line, stripped, each with "file, line n".

    Raises:
        UsageError: it cannot be read or is no CSV in UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            for row in reader:
                cells = {
                    (key or "").strip(): (value if isinstance(value, str) else "").strip()
                    for key, value in row.items()
                }
                yield cells, f"{path}, line {reader.line_num}"
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}. Correct the path.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no CSV in UTF-8: {error}. Export it again.") from None


def columns(path: Path) -> tuple[str, ...]:
    """The head line of a CSV; nothing of any other file."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return tuple(name.strip() for name in next(csv.reader(file), []))


def corners(label: str, x1: float, y1: float, x2: float, y2: float) -> Box:
    """A box from two opposite corners, in any order."""
    return Box(label, min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))
