"""When a picture was taken, as the camera wrote it into the file (EXIF 2.32, CIPA DC-008)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import datetime

from deckwatch_vision import tiff
from deckwatch_vision.errors import ImageError
from deckwatch_vision.formats import sniff
from deckwatch_vision.headers import as_bytes, jpeg_segments, png_chunks, webp_chunks

# DateTimeOriginal and DateTimeDigitized, each with the tag of its offset from UTC. The plain
# DateTime is left aside: it is when the file was last changed.
_TIMES = ((36867, 36881), (36868, 36882))
_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"Z|[+-]\d\d:\d\d")


def captured_at(data: bytes | bytearray | memoryview) -> str | None:
    """When the picture was taken, ISO 8601, with an offset from UTC where the camera noted one.

    None where the file does not say, is no picture, or says what cannot be: a clock that was never
    set ("0000:00:00 00:00:00").

    >>> captured_at(b"no picture") is None
    True
    """
    view = as_bytes(data)
    try:
        for block in _blocks(view):
            directory = tiff.read_directory(block)
            start = directory.value(tiff.EXIF_DIRECTORY, 0)
            found = _time(tiff.read_directory(block, start)) if start else None
            if found:
                return found
    except (ImageError, struct.error, IndexError):
        pass  # damaged: whoever decodes the pixels says so
    return None


def _time(directory: tiff.Directory) -> str | None:
    for tag, offset_tag in _TIMES:
        found = _TIME.match(directory.text(tag))
        if found is None:
            continue
        try:
            moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # six of them
        except ValueError:
            continue
        offset = directory.text(offset_tag)
        return moment.isoformat() + (offset if _OFFSET.fullmatch(offset) else "")
    return None


def _blocks(data: memoryview) -> Iterator[memoryview]:
    """The EXIF blocks of a picture; a TIFF is one itself."""
    kind = sniff(data)
    if kind == "tiff":
        yield data
    elif kind == "jpeg":
        for marker, start, length in jpeg_segments(data):
            block = data[start : start + length]
            if marker == 0xE1 and bytes(block[:6]) == b"Exif\0\0":
                yield tiff.without_mark(block)
    elif kind in ("png", "webp"):
        chunks = png_chunks(data) if kind == "png" else webp_chunks(data)
        for name, start, length in chunks:
            if name in (b"eXIf", b"EXIF"):
                yield tiff.without_mark(data[start : start + length])
