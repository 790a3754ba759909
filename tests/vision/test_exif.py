"""When a picture was taken: from EXIF in every format, and nothing where it cannot be known."""

from __future__ import annotations

import io
import struct

import piexif
import pytest
from PIL import Image

from deckwatch_vision.exif import captured_at
from deckwatch_vision.headers import read_header
from tests.vision.pictures import encoded, scene

WHEN = "2026:05:05 07:30:09"


def block(
    original: str | None = WHEN, offset: str | None = None, digitized: str | None = None
) -> bytes:
    tags = {
        piexif.ExifIFD.DateTimeOriginal: original,
        piexif.ExifIFD.DateTimeDigitized: digitized,
        piexif.ExifIFD.OffsetTimeOriginal: offset,
    }
    exif = {key: value for key, value in tags.items() if value is not None}
    # When it was changed and how it is turned stand in the first directory.
    first = {piexif.ImageIFD.DateTime: "2030:01:01 00:00:00", piexif.ImageIFD.Orientation: 6}
    return bytes(piexif.dump({"0th": first, "Exif": exif}))


def jpeg(exif: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_time_is_read_from_every_format(kind: str) -> None:
    data = encoded(scene(), kind, exif=block())
    assert captured_at(data) == "2026-05-05T07:30:09"


def test_the_offset_goes_with_it() -> None:
    assert captured_at(jpeg(block(offset="-10:00"))) == "2026-05-05T07:30:09-10:00"
    assert captured_at(jpeg(block(offset="   :  "))) == "2026-05-05T07:30:09"


def test_where_the_original_is_missing_the_time_of_digitising_stands_in() -> None:
    digitized = "2026:05:04 01:02:03"
    assert captured_at(jpeg(block(None, digitized=digitized))) == "2026-05-04T01:02:03"
    assert captured_at(jpeg(block("    :  :     :  :  ", digitized=digitized))) == (
        "2026-05-04T01:02:03"
    )


@pytest.mark.parametrize("never", ["0000:00:00 00:00:00", "2026:13:05 07:30:09", "soon", ""])
def test_a_clock_that_was_never_set_gives_nothing(never: str) -> None:
    assert captured_at(jpeg(block(never))) is None


def test_no_exif_gives_nothing_and_the_time_of_change_is_none() -> None:
    assert captured_at(encoded(scene(), "JPEG")) is None
    assert captured_at(jpeg(block(None))) is None
    assert captured_at(encoded(scene(), "BMP")) is None
    assert captured_at(b"") is None


def test_big_endian_and_long_texts() -> None:
    # One directory that points at the camera's, whose one text is longer than the entry.
    camera = 8 + 2 + 12 + 4
    data = b"MM\0*" + struct.pack(">I", 8)
    data += struct.pack(">HHHIII", 1, 34665, 4, 1, camera, 0)
    data += struct.pack(">HHHIII", 1, 36867, 2, 20, camera + 18, 0) + WHEN.encode() + b"\0"
    assert captured_at(data) == "2026-05-05T07:30:09"


def test_a_damaged_block_costs_nothing_but_the_time() -> None:
    whole = block()
    for end in range(6, len(whole), 3):
        data = jpeg(whole[:end])
        assert captured_at(data) in (None, "2026-05-05T07:30:09")
        read_header(data)
    pointing_outside = bytearray(jpeg(whole))
    place = pointing_outside.find(struct.pack(">HHI", 34665, 4, 1)) + 8
    pointing_outside[place : place + 4] = b"\x7f\xff\xff\xff"
    assert captured_at(bytes(pointing_outside)) is None
    assert captured_at(jpeg(whole)[:40]) is None
