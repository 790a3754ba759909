"""Tags of a TIFF's first directory. EXIF blocks are little TIFFs, so they are read here too.

Layout: TIFF 6.0 (Adobe, 1992) section 2; BigTIFF (libtiff), the same with 8-byte offsets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from deckwatch_vision.errors import BrokenImage

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_BYTES, PLANAR = 273, 274, 277, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339
EXIF_DIRECTORY = 34665  # where the tags of the camera begin (CIPA DC-008 section 4.6.3)

# Bytes and struct letters of the integer field types: BYTE, SHORT, LONG, LONG8.
_TYPES = {1: (1, "B"), 3: (2, "H"), 4: (4, "I"), 16: (8, "Q")}
_TEXT = 2


@dataclass(frozen=True, slots=True)
class Field:
    """One tag: struct letter of its integers, how many, and where in the file they begin."""

    letter: str
    count: int
    position: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The integer tags of a directory, and apart from them those that hold text.

    `order` is struct's byte order, < or >; `end` is where the directory's last bytes, the offset of
    the next one, end.
    """

    data: memoryview
    order: str
    tags: dict[int, Field]
    end: int
    texts: dict[int, Field]

    def values(self, tag: int) -> tuple[int, ...]:
        """All values of a tag; empty where it is absent.

        Raises:
            BrokenImage: they lie outside the file.
        """
        field = self.tags.get(tag)
        if field is None:
            return ()
        return _unpack(f"{self.order}{field.count}{field.letter}", self.data, field.position)

    def value(self, tag: int, default: int) -> int:
        """The first value of a tag, or `default` where it is absent."""
        return next(iter(self.values(tag)), default)

    def text(self, tag: int) -> str:
        """The text of a tag up to its null character; "" where it is absent.

        Raises:
            BrokenImage: it lies outside the file.
        """
        field = self.texts.get(tag)
        if field is None:
            return ""
        (found,) = _unpack(f"{field.count}s", self.data, field.position)
        return bytes(found).partition(b"\0")[0].decode("ascii", errors="replace").strip()


def read_directory(data: memoryview, start: int | None = None) -> Directory:
    """Read a directory of a TIFF or an EXIF block: the first, or the one at byte `start`.

    Raises:
        BrokenImage: it is truncated or no TIFF.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        raise BrokenImage("no TIFF byte order mark (II or MM). Export the picture again")
    (magic,) = _unpack(f"{order}H", data, 2)
    if magic not in (42, 43):
        raise BrokenImage(f"TIFF magic number is {magic}, not 42. Export the picture again")
    big = magic == 43
    count_letter, offset_letter, entry_size = ("Q", "Q", 20) if big else ("H", "I", 12)
    if start is None:
        (start,) = _unpack(f"{order}{offset_letter}", data, 8 if big else 4)
    (count,) = _unpack(f"{order}{count_letter}", data, start)
    first = start + struct.calcsize(count_letter)
    if first + count * entry_size > len(data):
        raise BrokenImage(
            f"truncated: the TIFF directory at byte {start} lies beyond the {len(data)} bytes. "
            "Copy the file again"
        )
    tags: dict[int, Field] = {}
    texts: dict[int, Field] = {}
    for place in range(count):
        entry = first + place * entry_size
        tag, kind, number = _unpack(f"{order}HH{offset_letter}", data, entry)
        if kind not in _TYPES and kind != _TEXT:
            continue  # fractions and the like
        size, letter = _TYPES.get(kind, (1, "s"))
        position = entry + 4 + struct.calcsize(offset_letter)
        # Values that fit stand in the entry itself, others where it points.
        if number * size > struct.calcsize(offset_letter):
            (position,) = _unpack(f"{order}{offset_letter}", data, position)
        # Apart, so that no text is ever taken for a number that decides how pixels are read.
        found = texts if kind == _TEXT else tags
        found.setdefault(tag, Field(letter, number, position))
    end = first + count * entry_size + struct.calcsize(offset_letter)
    return Directory(data, order, tags, end, texts)


def exif_orientation(block: memoryview) -> int:
    """Orientation 1..8 of an EXIF block; 1 where it has none or cannot be read.

    A picture whose EXIF is damaged is still a picture, and viewers show it unturned.
    """
    try:
        return valid_orientation(read_directory(without_mark(block)).value(ORIENTATION, 1))
    except BrokenImage:
        return 1


def valid_orientation(value: int) -> int:
    """The value if it is one of 1..8, else 1, as viewers do."""
    return value if 1 <= value <= 8 else 1


def without_mark(block: memoryview) -> memoryview:
    """An EXIF block without the mark before it: JPEG always has one, some writers elsewhere too."""
    return block[6:] if bytes(block[:6]) == b"Exif\0\0" else block


def _unpack(layout: str, data: memoryview, position: int) -> tuple[Any, ...]:
    size = struct.calcsize(layout)
    if position + size > len(data):
        raise BrokenImage(
            f"truncated: {size} bytes of TIFF tags at byte {position} lie beyond the "
            f"{len(data)} bytes. Copy the file again"
        )
    return struct.unpack_from(layout, data, position)
