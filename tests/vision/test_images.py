"""Every allowed format comes out as upright 8-bit RGB."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.images import decode, encode_jpeg
from tests.vision import pictures
from tests.vision.pictures import encoded, grey_of, scene, spread, tiff

SCENE = scene()
GREY = spread(grey_of(SCENE))
ALPHA = np.dstack((SCENE, np.linspace(0, 255, SCENE[..., 0].size).reshape(48, 64))).astype(np.uint8)
PALETTE = Image.fromarray(SCENE).quantize(64)
BITS = Image.fromarray(SCENE).convert("1")
CMYK = Image.fromarray(SCENE).convert("CMYK")


def rgb(picture: Image.Image) -> pictures.Pixels:
    return np.asarray(picture.convert("RGB"))


def apart(data: bytes, expected: np.ndarray) -> int:
    """The largest difference; the shape and the layout have to be right."""
    image = decode(data)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.shape == expected.shape
    return int(np.abs(image.astype(int) - expected.astype(int)).max())


EXACT = {
    "png": (encoded(SCENE, "PNG"), SCENE),
    "png grey": (encoded(GREY[..., 0], "PNG"), GREY),
    "png alpha": (encoded(ALPHA, "PNG"), SCENE),
    "png grey and alpha": (encoded(Image.fromarray(ALPHA).convert("LA"), "PNG"), GREY),
    "png palette": (encoded(PALETTE, "PNG"), rgb(PALETTE)),
    "png transparent palette": (encoded(PALETTE, "PNG", transparency=3), rgb(PALETTE)),
    "png 1 bit": (encoded(BITS, "PNG"), rgb(BITS)),
    "png 16-bit grey": (encoded(Image.fromarray(GREY[..., 0] * np.uint16(257)), "PNG"), GREY),
    "png 16-bit grey and alpha": (pictures.grey_alpha_16(SCENE), GREY),
    "webp lossless": (encoded(SCENE, "WEBP", lossless=True), SCENE),
    "webp alpha": (encoded(ALPHA, "WEBP", lossless=True, exact=True), SCENE),
    "bmp": (encoded(SCENE, "BMP"), SCENE),
    "bmp grey": (encoded(GREY[..., 0], "BMP"), GREY),
    "bmp alpha": (encoded(ALPHA, "BMP"), SCENE),
    "bmp palette": (encoded(PALETTE, "BMP"), rgb(PALETTE)),
    "bmp 1 bit": (encoded(BITS, "BMP"), rgb(BITS)),
    "tiff": (encoded(SCENE, "TIFF"), SCENE),
    "tiff big": (encoded(SCENE, "TIFF", big_tiff=True), SCENE),
    "tiff lzw": (encoded(SCENE, "TIFF", compression="tiff_lzw"), SCENE),
    "tiff lzw, differences": (
        encoded(SCENE, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
        SCENE,
    ),
    "tiff deflate": (encoded(SCENE, "TIFF", compression="tiff_adobe_deflate"), SCENE),
    "tiff packbits": (encoded(SCENE, "TIFF", compression="packbits"), SCENE),
    "tiff fax": (encoded(BITS, "TIFF", compression="group4"), rgb(BITS)),
    "tiff grey": (encoded(GREY[..., 0], "TIFF"), GREY),
    "tiff 1 bit": (encoded(BITS, "TIFF"), rgb(BITS)),
    "tiff palette": (encoded(PALETTE, "TIFF"), rgb(PALETTE)),
    "tiff 16-bit grey": (encoded(Image.fromarray(GREY[..., 0] * np.uint16(257)), "TIFF"), GREY),
    "tiff 16 bit": (tiff(SCENE * np.uint16(257), bits=16, colour=2), SCENE),
    "tiff 16 bit, Motorola": (tiff(SCENE * np.uint16(257), bits=16, colour=2, order=">"), SCENE),
    "tiff 16-bit alpha": (
        tiff(ALPHA * np.uint16(257), bits=16, colour=2, extra=[(338, [2])]),
        SCENE,
    ),
    "tiff alpha": (tiff(ALPHA, bits=8, colour=2, extra=[(338, [2])]), SCENE),
    "tiff alpha, premultiplied": (tiff(ALPHA, bits=8, colour=2, extra=[(338, [1])]), SCENE),
    "tiff grey and alpha": (
        tiff(np.dstack((GREY[..., 0], ALPHA[..., 3])), bits=8, colour=1, extra=[(338, [2])]),
        GREY,
    ),
    "tiff 0 is white": (tiff(GREY[..., 0], bits=8, colour=0), 255 - GREY),
    "tiff planes": (tiff(SCENE, bits=8, colour=2, planes=True), SCENE),
    "tiff tiles": (tiff(SCENE, bits=8, colour=2, tile=32), SCENE),
    "tiff packed tiles": (tiff(SCENE, bits=8, colour=2, tile=16, packed=True), SCENE),
    "tiff 16-bit tiles": (tiff(SCENE * np.uint16(257), bits=16, colour=2, tile=32), SCENE),
}


@pytest.mark.parametrize("kind", EXACT)
def test_lossless_formats_come_out_exactly(kind: str) -> None:
    data, expected = EXACT[kind]

    assert apart(data, expected) == 0


CLOSE = {
    "jpeg": (encoded(SCENE, "JPEG", quality=95, subsampling=0), SCENE),
    "jpeg 4:2:0": (encoded(SCENE, "JPEG", quality=95), SCENE),
    "jpeg progressive": (encoded(SCENE, "JPEG", quality=95, progressive=True), SCENE),
    "jpeg grey": (encoded(GREY[..., 0], "JPEG", quality=95), GREY),
    "jpeg cmyk": (encoded(CMYK, "JPEG", quality=95), rgb(CMYK)),
    "webp": (encoded(SCENE, "WEBP", quality=95), SCENE),
    "webp lossy alpha": (encoded(ALPHA, "WEBP", quality=95, exact=True), SCENE),
    "tiff cmyk": (encoded(CMYK, "TIFF"), rgb(CMYK)),
    "tiff jpeg": (encoded(SCENE, "TIFF", compression="jpeg", quality=95), SCENE),
}


@pytest.mark.parametrize("kind", CLOSE)
def test_lossy_formats_come_out_close(kind: str) -> None:
    data, expected = CLOSE[kind]

    assert apart(data, expected) <= 16


def test_16_bit_samples_keep_their_upper_byte() -> None:
    fine = SCENE.astype(int) * 256 + 200
    rows = b"".join(b"\0" + row.tobytes() for row in fine.astype(">u2"))

    assert apart(pictures.png(64, 48, pictures.zlib.compress(rows), bits=16), SCENE) == 0
    assert apart(tiff(fine, bits=16, colour=2), SCENE) <= 1


def test_adobe_ycck_is_converted_through_cmyk() -> None:
    # The planes hold Y, Cb, Cr and K; changing Adobe's transform from 0 to 2 tells the decoder so.
    luma = np.array(Image.fromarray(SCENE).convert("YCbCr"))
    black = np.full((48, 64), 255, np.uint8)
    # Adobe stores CMYK inverted, which Pillow's writer does on its way.
    planes = Image.fromarray(255 - np.dstack((luma, black)), "CMYK")
    data = bytearray(encoded(planes, "JPEG", quality=98))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2

    expected = rgb(Image.open(io.BytesIO(bytes(data))))
    assert apart(bytes(data), expected) <= 2
    assert expected.std() > 20


def test_jpeg_is_read_as_pillow_reads_it() -> None:
    data = encoded(SCENE, "JPEG", quality=80)

    assert apart(data, np.asarray(Image.open(io.BytesIO(data)))) <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF lzw", "TIFF grey"])
def test_every_orientation_is_applied_once(kind: str, orientation: int) -> None:
    stored = pictures.turned(SCENE, orientation)
    expected, data = SCENE, b""
    if kind == "TIFF grey":
        data = encoded(grey_of(stored), "TIFF", tiffinfo={274: orientation})
        expected = GREY
    elif kind.startswith("TIFF"):
        data = encoded(
            stored,
            "TIFF",
            tiffinfo={274: orientation},
            compression="tiff_lzw" if kind.endswith("lzw") else None,
        )
    elif kind == "WEBP":
        data = encoded(stored, "WEBP", lossless=True, exif=pictures.exif(orientation))
    else:
        options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
        data = encoded(stored, kind, exif=pictures.exif(orientation), **options)

    assert apart(data, expected) <= (6 if kind == "JPEG" else 0)


def test_an_impossible_orientation_means_upright() -> None:
    for orientation in (0, 9, 65535):
        assert apart(encoded(SCENE, "PNG", exif=pictures.exif(orientation)), SCENE) == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(16, 16), (1, 1), (1, 300), (300, 1), (40, 4000)])
def test_small_and_long_pictures(kind: str, size: tuple[int, int]) -> None:
    image = scene(*size)
    options = {"lossless": True} if kind == "WEBP" else {}

    assert apart(encoded(image, kind, **options), image) <= (90 if kind == "JPEG" else 0)


def test_a_webp_of_one_colour_is_shorter_than_opencv_likes() -> None:
    data = encoded(np.zeros((16, 16, 3), np.uint8), "WEBP", lossless=True)

    assert len(data) < 40
    assert apart(data, np.zeros((16, 16, 3))) == 0
    # Some writers drop the padding byte that Pillow keeps: shorter still, under 32 bytes.
    tiny = encoded(np.zeros((1, 1, 3), np.uint8), "WEBP", lossless=True)
    assert apart(tiny, np.zeros((1, 1, 3))) == 0


def test_interlaced_png() -> None:
    # Adam7 by hand: seven passes, each a small picture of its own.
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = b""
    for top, left, down, across in passes:
        rows += b"".join(b"\0" + row.tobytes() for row in SCENE[top::down, left::across])
    data = bytearray(pictures.png(64, 48, pictures.zlib.compress(rows)))
    data[28] = 1  # interlace method
    data[29:33] = struct.pack(">I", pictures.zlib.crc32(data[12:29]))

    assert apart(bytes(data), SCENE) == 0


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    other = Image.fromarray(np.ascontiguousarray(SCENE[::-1]))
    data = encoded(SCENE, kind, save_all=True, append_images=[other], **options)

    assert apart(data, SCENE) == 0


def test_top_down_and_run_length_bmp() -> None:
    top_down = bytearray(encoded(SCENE, "BMP"))
    struct.pack_into("<i", top_down, 22, -48)
    assert apart(bytes(top_down), SCENE[::-1]) == 0

    # One row of 64 pixels of palette entry 1 (run length), end of bitmap.
    palette = b"\0\0\0\0" + b"\x1e\x14\x0a\0"
    runs = b"\x40\x01\0\1"
    info = struct.pack("<IiiHHIIiiII", 40, 64, 1, 1, 8, 1, len(runs), 0, 0, 2, 2)
    start = 14 + len(info) + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start)
    expected = np.broadcast_to(np.array([10, 20, 30]), (1, 64, 3))
    assert apart(head + info + palette + runs, expected) == 0


def test_any_buffer_of_bytes_is_taken() -> None:
    data = encoded(SCENE, "PNG")
    for given in (bytearray(data), memoryview(data), np.frombuffer(data, np.uint8).data):
        assert np.array_equal(decode(given), SCENE)


def test_a_jpeg_with_harmless_oddities_is_read() -> None:
    data = encoded(SCENE, "JPEG", quality=95)
    padded = data[:-2] + b"\0\0\0" + data[-2:]
    revision = bytearray(data)
    revision[11] = 9  # JFIF 9.01

    for odd in (padded, bytes(revision), data + b"video of the same moment" * 50):
        assert apart(odd, SCENE) <= 16


def test_a_jpeg_of_rare_chroma_layout_is_read() -> None:
    data = pictures.jpeg_of_rare_layout([60, 120, 180], 110, 150)
    colours = np.array([[[60, 110, 150], [120, 110, 150], [180, 110, 150]]], np.uint8)
    blocks = Image.fromarray(colours, "YCbCr").convert("RGB")
    expected = np.repeat(np.repeat(np.asarray(blocks), 8, axis=0), 8, axis=1)

    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg(data)
    assert apart(data, expected) <= 2
    with pytest.raises(BrokenImage):
        decode(data[:-2])


def test_encode_jpeg_and_back() -> None:
    data = encode_jpeg(SCENE, quality=95)

    assert data.startswith(b"\xff\xd8")
    assert apart(data, SCENE) <= 16
    assert len(encode_jpeg(SCENE, quality=30)) < len(data)
    assert decode(encode_jpeg(SCENE[::2, ::2])).shape == (24, 32, 3)
