"""Truncated, corrupt, lying and oversized files are refused, quickly and with little memory."""

from __future__ import annotations

import random
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from deckwatch_vision.errors import (
    BrokenImage,
    EmptyImage,
    ImageError,
    ImageTooLarge,
    TooManyPixels,
    UnsupportedFormat,
)
from deckwatch_vision.images import MAX_PIXELS, decode
from tests.vision import pictures
from tests.vision.pictures import encoded, grey_of, png, scene, tiff

NOISE = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
SCENE = scene(40, 56)

WHOLE = {
    "jpeg": encoded(NOISE, "JPEG"),
    "jpeg progressive": encoded(NOISE, "JPEG", progressive=True),
    "jpeg smooth": encoded(SCENE, "JPEG"),
    "jpeg cmyk": encoded(Image.fromarray(NOISE).convert("CMYK"), "JPEG"),
    "jpeg exif": encoded(NOISE, "JPEG", exif=pictures.exif(6)),
    "png": encoded(NOISE, "PNG"),
    "png smooth": encoded(SCENE, "PNG"),
    "png palette": encoded(Image.fromarray(NOISE).quantize(16), "PNG"),
    "webp": encoded(NOISE, "WEBP"),
    "webp lossless": encoded(NOISE, "WEBP", lossless=True),
    "webp exif": encoded(NOISE, "WEBP", exif=pictures.exif(6)),
    "bmp": encoded(NOISE, "BMP"),
    "bmp palette": encoded(Image.fromarray(NOISE).quantize(16), "BMP"),
    "tiff": encoded(NOISE, "TIFF"),
    "tiff big": encoded(NOISE, "TIFF", big_tiff=True),
    "tiff lzw": encoded(NOISE, "TIFF", compression="tiff_lzw"),
    "tiff jpeg": encoded(NOISE, "TIFF", compression="jpeg"),
    "tiff fax": encoded(Image.fromarray(SCENE).convert("1"), "TIFF", compression="group4"),
    "tiff tiles": tiff(NOISE, bits=8, colour=2, tile=32),
    "tiff 16 bit": tiff(NOISE * np.uint16(257), bits=16, colour=2),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str) -> None:
    data = WHOLE[kind]
    tenths = [len(data) * part // 10 for part in range(1, 10)]
    edges = [1, 3, 8, 11, 12, 20, 30, 40, len(data) - 4, len(data) - 2, len(data) - 1]

    decode(data)
    for length in (*tenths, *edges):
        with pytest.raises(BrokenImage, match=r"truncated|corrupt|header"):
            decode(data[:length])


def test_random_damage_gives_pixels_or_an_error_of_ours() -> None:
    chance = random.Random(0)
    for data in WHOLE.values():
        for _ in range(40):
            damaged = bytearray(data)
            for _ in range(chance.choice((1, 2, 5))):
                place = chance.randrange(chance.choice((40, len(damaged))))
                damaged[place] = chance.choice((0, 1, 128, 255))
            try:
                image = decode(bytes(damaged))
            except ImageError:
                continue
            assert image.shape[2] == 3


def test_corrupt_content_behind_a_sound_container() -> None:
    rows = b"".join(b"\0" + row.tobytes() for row in SCENE)
    packed = zlib.compress(rows)
    half = zlib.compress(rows[: len(rows) // 2])
    damaged = bytearray(encoded(SCENE, "PNG"))
    damaged[60] ^= 0xFF

    assert np.array_equal(decode(png(56, 40, packed)), SCENE)
    for wrong in (png(56, 40, packed[:-9]), png(56, 40, half), bytes(damaged)):
        with pytest.raises(BrokenImage):
            decode(wrong)


def test_a_jpeg_without_its_middle_is_refused() -> None:
    data = encoded(NOISE, "JPEG", quality=90)
    third = len(data) // 3

    with pytest.raises(BrokenImage):
        decode(data[: 2 * third] + data[-2:])
    with pytest.raises(BrokenImage):
        decode(data[:-2] + bytes(200) + data[-2:])


def test_a_jpeg_of_thousands_of_scans_is_refused() -> None:
    data = encoded(SCENE, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    scan = data[start:-2]

    with pytest.raises(BrokenImage, match="scans"):
        decode(data[:-2] + scan * 3000 + data[-2:])


def test_a_large_jpeg_may_have_fewer_scans() -> None:
    """Each scan is a pass over all pixels: what a thumbnail may have stops a server at 64 MP."""
    large = np.full((8000, 8000, 3), 128, np.uint8)
    data = encoded(large, "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(BrokenImage, match="expected about ten"):
        decode(data[:-2] + data[start:-2] * 30 + data[-2:])
    assert decode(data).shape == large.shape


def test_a_malformed_animation_does_not_reach_the_decoder() -> None:
    data = encoded(SCENE, "PNG")
    frames = pictures.png_with(data, b"acTL", struct.pack(">II", 2**31, 0))
    frames = pictures.png_with(frames, b"fcTL", b"\xff" * 26)

    assert np.array_equal(decode(frames), SCENE)
    with pytest.raises(BrokenImage, match="XYZa"):
        decode(pictures.png_with(data, b"XYZa", b"what only its writer knows"))


def test_no_bytes() -> None:
    for nothing in (b"", memoryview(b""), np.zeros(0, np.uint8).data):
        with pytest.raises(EmptyImage, match="0 bytes"):
            decode(nothing)


OTHERS = {
    "a GIF": b"GIF89a" + bytes(40),
    "a HEIC picture": b"\0\0\0\x18ftypheic" + bytes(40),
    "an AVIF picture": b"\0\0\0\x18ftypavif" + bytes(40),
    "MP4": b"\0\0\0\x18ftypisom" + bytes(40),
    "a PDF document": b"%PDF-1.7\n" + bytes(40),
    "an SVG drawing": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "an HTML page": b"<!DOCTYPE html><title>504</title>",
    "JSON text": b'{"image": "..."}',
    "base64 text of a JPEG": b"/9j/4AAQSkZJRgABAQ",
    "a data URL": b"data:image/png;base64,iVBORw0KGgo",
    "looks like text": "Länge der Fische".encode() * 50,
    "a ZIP archive": b"PK\x03\x04" + bytes(40),
    "an AVI video": b"RIFF\x10\0\0\0AVI LIST" + bytes(40),
    "a JPEG 2000 picture": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    "unknown data beginning with 00 01 02 03": bytes(range(32)),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_named_with_what_is_allowed(kind: str) -> None:
    with pytest.raises(UnsupportedFormat, match="JPEG, PNG, WebP, BMP or TIFF") as refusal:
        decode(OTHERS[kind])

    assert kind in refusal.value.message


REFUSED_KINDS = {
    "12-bit jpeg": encoded(SCENE, "JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    "lossless jpeg": encoded(SCENE, "JPEG").replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc3\0\x11\x08"),
    "bmp around a jpeg": encoded(SCENE, "BMP")[:30] + b"\4\0\0\0" + encoded(SCENE, "BMP")[34:],
    "tiff of floats": encoded(Image.fromarray(grey_of(SCENE)).convert("F"), "TIFF"),
    "tiff of 32 bit": encoded(Image.fromarray(grey_of(SCENE)).convert("I"), "TIFF"),
    "tiff of 4-bit grey": tiff(grey_of(SCENE) >> 4, bits=4, colour=1),
    "tiff of signed": tiff(grey_of(SCENE), bits=8, colour=1, extra=[(339, [2])]),
    "tiff of lab": encoded(Image.fromarray(SCENE).convert("LAB"), "TIFF"),
    "tiff of 16-bit cmyk": tiff(
        np.dstack((SCENE, SCENE[..., 0])) * np.uint16(257), bits=16, colour=5
    ),
    "tiff of 16-bit grey tiles": tiff(grey_of(SCENE) * np.uint16(257), bits=16, colour=1, tile=32),
    "tiff of odd tiles": tiff(SCENE, bits=8, colour=2, tile=16),
    "tiff zstd": encoded(SCENE, "TIFF").replace(
        struct.pack("<HHII", 259, 3, 1, 1), struct.pack("<HHII", 259, 3, 1, 50000)
    ),
}


@pytest.mark.parametrize("kind", REFUSED_KINDS)
def test_kinds_that_would_come_out_wrong_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedFormat, match="Save it"):
        decode(REFUSED_KINDS[kind])


def lying(kind: str, width: int, height: int) -> bytes:
    """A small file whose header claims a size."""
    if kind == "png":
        return png(width, height, zlib.compress(bytes(1000)))
    if kind == "tiff":
        data = bytearray(tiff(SCENE, bits=8, colour=2, packed=True))
    else:
        options = {"lossless": True} if kind == "webp" else {}
        data = bytearray(encoded(SCENE, kind.upper(), **options))
    if kind == "jpeg":
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    elif kind == "bmp":
        struct.pack_into("<ii", data, 18, width, height)
    elif kind == "tiff":
        for tag, value in ((256, width), (257, height)):
            place = data.index(struct.pack("<HHI", tag, 4, 1))
            struct.pack_into("<HHII", data, place, tag, 4, 1, value)
    else:
        struct.pack_into("<I", data, 21, (width - 1) | (height - 1) << 14)
    return bytes(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "webp"])
def test_the_budget_is_checked_on_the_header(kind: str) -> None:
    side = 16_000 if kind == "webp" else 30_000  # a WebP holds at most 16,384

    with pytest.raises(TooManyPixels, match=f"{side} x {side}") as refusal:
        decode(lying(kind, side, side))
    assert str(MAX_PIXELS) in refusal.value.message


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "webp"])
def test_a_header_within_the_budget_that_lies_costs_no_memory_to_speak_of(kind: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(BrokenImage):
        decode(lying(kind, 7900, 8000))

    # The decoded picture would be 190 MB; a JPEG's decoder may fill half of it before it notices.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_budgets_can_be_set() -> None:
    data = encoded(SCENE, "PNG")

    assert decode(data, max_pixels=40 * 56, max_bytes=len(data)).shape == (40, 56, 3)
    with pytest.raises(TooManyPixels, match="56 x 40 = 2240 pixels, allowed are 2239"):
        decode(data, max_pixels=40 * 56 - 1)
    with pytest.raises(ImageTooLarge, match=f"{len(data)} bytes, allowed are {len(data) - 1}"):
        decode(data, max_bytes=len(data) - 1)


def test_nothing_is_written_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    for data in WHOLE.values():
        with pytest.raises(BrokenImage):
            decode(data[: len(data) // 2])

    assert capfd.readouterr().err == ""
