"""Size and orientation from the header alone."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.headers import ImageHeader, read_header
from tests.vision import pictures
from tests.vision.pictures import encoded, scene

SCENE = scene(30, 50)
KINDS: dict[str, dict[str, Any]] = {
    "jpeg": {},
    "png": {},
    "webp": {"lossless": True},
    "bmp": {},
    "tiff": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_format_and_size(kind: str) -> None:
    data = encoded(SCENE, kind.upper(), **KINDS[kind])

    assert read_header(data) == ImageHeader(kind, 50, 30, 1)
    assert read_header(memoryview(data)).upright_size == (30, 50)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_orientation_and_upright_size(kind: str, orientation: int) -> None:
    if kind == "tiff":
        data = encoded(SCENE, "TIFF", tiffinfo={274: orientation})
    else:
        data = encoded(SCENE, kind.upper(), exif=pictures.exif(orientation))
    header = read_header(data)

    assert (header.width, header.height, header.orientation) == (50, 30, orientation)
    assert header.upright_size == ((30, 50) if orientation < 5 else (50, 30))


def test_lossy_and_extended_webp() -> None:
    assert read_header(encoded(SCENE, "WEBP")) == ImageHeader("webp", 50, 30, 1)
    see_through = np.dstack((SCENE, SCENE[..., 0]))
    assert read_header(encoded(see_through, "WEBP")) == ImageHeader("webp", 50, 30, 1)
    moving = encoded(
        SCENE, "WEBP", save_all=True, append_images=[Image.fromarray(255 - SCENE)], loop=0
    )
    assert read_header(moving) == ImageHeader("webp", 50, 30, 1)


def test_os2_bmp() -> None:
    data = b"BM" + struct.pack("<IHHI", 26 + 3, 0, 0, 26) + struct.pack("<IHHHH", 12, 7, 5, 1, 24)

    assert read_header(data) == ImageHeader("bmp", 7, 5, 1)


def test_damaged_exif_means_upright() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        data = encoded(SCENE, kind, exif=pictures.exif(6))
        mark = data.index(b"MM\0*") if b"MM\0*" in data else data.index(b"II*\0")
        damaged = bytearray(data)
        damaged[mark + 4 : mark + 8] = b"\xff\xff\xff\xff"

        assert read_header(bytes(damaged)).orientation == 1


def test_the_first_exif_block_counts() -> None:
    turned, other = (encoded(SCENE, "JPEG", exif=pictures.exif(each)) for each in (6, 3))
    start = other.index(b"\xff\xe1")
    (length,) = struct.unpack_from(">H", other, start + 2)
    block = other[start : start + 2 + length]
    frame = turned.index(b"\xff\xdb")

    assert read_header(turned[:frame] + block + turned[frame:]).orientation == 6


def test_only_the_header_is_needed() -> None:
    jpeg = encoded(scene(300, 500), "JPEG")

    assert read_header(jpeg[:700]).upright_size == (300, 500)
    assert read_header(encoded(SCENE, "BMP")[:54]).upright_size == (30, 50)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0\x00\x00\xff\xd9",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x00\x03" + bytes(12) + b"\xff\xda",
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT" + bytes(30),
        pictures.png(0, 9, b""),
        b"RIFF\x04\0\0\0WEBP",
        b"RIFF\x20\0\0\0WEBPVP8 \x0a\0\0\0" + bytes(30),
        b"BM" + bytes(60),
        b"II*\0\x08\0\0\0\xff\xff",
        b"II*\0\xff\xff\xff\x7f",
        b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    ],
    ids=range(12),
)
def test_contradictions_are_refused(data: bytes) -> None:
    with pytest.raises(BrokenImage):
        read_header(data)


def test_a_webp_whose_canvas_differs_from_its_picture_is_refused() -> None:
    data = bytearray(encoded(SCENE, "WEBP", exif=pictures.exif(6)))
    canvas = data.index(b"VP8X") + 12
    data[canvas : canvas + 3] = (9).to_bytes(3, "little")

    with pytest.raises(BrokenImage, match=r"\(10, 30\).*\(50, 30\)"):
        read_header(bytes(data))
