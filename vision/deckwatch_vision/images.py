"""Encoded pictures to pixels and back: allow-listed formats, budgets first, always upright RGB."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import simplejpeg

from deckwatch_vision import tiff
from deckwatch_vision.complete import check_complete, critical_chunks
from deckwatch_vision.errors import BrokenImage, EmptyImage, ImageTooLarge, TooManyPixels
from deckwatch_vision.headers import ImageHeader, as_bytes, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Budget of width times height: 192 MB once decoded, above every deck camera."""

MAX_BYTES = 32 * 1024 * 1024
"""Budget of the encoded picture."""

if "OPENCV_LOG_LEVEL" not in os.environ:
    # What is wrong with a picture is said once, by the error; OpenCV would add lines on stderr.
    _logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved the function
    _logging.setLogLevel(0)


def decode(
    data: bytes | bytearray | memoryview,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Pixels:
    """Decode a JPEG, PNG, WebP, BMP or TIFF to upright 8-bit RGB.

    Size and budget are checked on the header, before anything is decoded or allocated. Grey is
    repeated over the channels, palettes and CMYK are converted (CMYK without a colour profile),
    16-bit samples keep their upper byte. Alpha is dropped, not composited: the colours stored under
    transparent pixels are what the camera saw. Of several frames or pages the first is taken. The
    EXIF orientation (all eight) is applied exactly once.

    Args:
        data: the encoded file, any contiguous buffer of bytes.
        max_pixels: budget of width times height.
        max_bytes: budget of the encoded file.

    Returns:
        Pixels [H,W,3], C-contiguous.

    Raises:
        EmptyImage: there are no bytes.
        ImageTooLarge: more than `max_bytes`; save it smaller.
        UnsupportedFormat: not an allowed format, or a kind of it that cannot be read; convert it.
        TooManyPixels: more than `max_pixels`; scale it down.
        BrokenImage: truncated or corrupt; copy the file again.
    """
    view = as_bytes(data)
    if len(view) > max_bytes:
        raise ImageTooLarge(
            f"the picture has {len(view)} bytes, allowed are {max_bytes}. "
            "Save it as JPEG or at a smaller size"
        )
    header = read_header(view)
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise TooManyPixels(
            f"the picture has {header.width} x {header.height} = {pixels} pixels, allowed are "
            f"{max_pixels}. Scale it down"
        )
    if header.format == "jpeg":
        stored = _decode_jpeg(view, pixels)
    else:
        check_complete(view, header)
        stored = _decode_opencv(_prepared(view, header), header.format)
    if stored.shape != (header.height, header.width, 3):
        raise BrokenImage(
            f"the header says {header.width} x {header.height} pixels, the content has "
            f"{stored.shape[1]} x {stored.shape[0]}. Export the picture again"
        )
    return np.ascontiguousarray(_TURNS[header.orientation](stored))


def encode_jpeg(image: Pixels, quality: int = 90, subsampling: str = "444") -> bytes:
    """Encode pixels [H,W,3] RGB as JPEG, quality 1 to 100.

    subsampling: "444" keeps colours at full resolution, "420" at half, as cameras do; it takes a
    third less time and bytes.
    """
    if not image.size:
        raise EmptyImage(f"a picture of shape {image.shape} has no pixels. Give [H,W,3]")
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", subsampling))


def _decode_jpeg(data: memoryview, pixels: int) -> Pixels:
    _check_scans(data, pixels)
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB", strict=True), np.uint8)
    except ValueError as error:
        reason = str(error)
    # simplejpeg refuses rare but legal chroma layouts, and oddities that cameras write and that
    # lose no pixel. OpenCV reads them, but would not notice a truncated file, so the end mark has
    # to be there.
    if _is_harmless(reason) and _has_end(data):
        return _decode_opencv(np.frombuffer(data, np.uint8), "jpeg")
    raise BrokenImage(f"truncated or corrupt JPEG ({reason}). Copy or export the file again")


def _is_harmless(reason: str) -> bool:
    if any(oddity in reason for oddity in _HARMLESS):
        return True
    extra = _EXTRA_BYTES.search(reason)
    # A few bytes of padding; many within the scans mean that the decoder lost its way there.
    return extra is not None and (extra[2] not in _SCAN_MARKERS or int(extra[1]) <= 16)


_EXTRA_BYTES = re.compile(r"(\d+) extraneous bytes before marker 0x(\w\w)")
_SCAN_MARKERS = frozenset({"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d9", "da"})
_HARMLESS = (
    "Unknown Adobe color transform code",
    "unknown JFIF revision number",
    "Could not determine subsampling level",
)
_SCAN = re.compile(rb"\xff\xda\x00[\x06-\x0c][\x01-\x04]")
# Encoders write about ten scans. Each costs a pass over all pixels, about 0.7 ns for each of them
# even where it holds nothing: 64 megapixels 150 times took 7 s.
_MOST_SCANS = 200
_MOST_PASSES = 20 * MAX_PIXELS


def _check_scans(data: memoryview, pixels: int) -> None:
    """Refuse a progressive JPEG of very many scans: a small file, but long to decode."""
    scans = sum(1 for _ in _SCAN.finditer(data))
    if scans > _MOST_SCANS or scans * pixels > _MOST_PASSES:
        raise BrokenImage(f"a JPEG of {scans} scans, expected about ten. Export the picture again")


def _has_end(data: memoryview) -> bool:
    content = bytes(data)
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _prepared(data: memoryview, header: ImageHeader) -> NDArray[np.uint8]:
    """The bytes as OpenCV has to get them."""
    if header.format == "tiff":
        return np.frombuffer(_neutral_tiff(data), np.uint8)
    if header.format == "png":
        return np.frombuffer(_plain_png(data), np.uint8)
    content = np.frombuffer(data, np.uint8)
    if header.format == "webp" and len(content) < 32:
        # OpenCV refuses WebP under 32 bytes, though a picture of one colour fits in 26.
        return np.concatenate((content, np.zeros(32 - len(content), np.uint8)))
    return content


def _plain_png(data: memoryview) -> bytes:
    """A copy of a PNG without ancillary chunks: animation, text, profiles, transparency.

    OpenCV 4.11 crashes on some malformed animations, and libpng writes to stderr about the rest.
    """
    parts = [data[start - 8 : start + length + 4] for _, start, length in critical_chunks(data)]
    return b"".join((data[:8], *parts))


def _neutral_tiff(data: memoryview) -> bytearray:
    """A copy of a TIFF without its orientation and with its alpha called premultiplied.

    OpenCV turns TIFFs whatever its flags say, and would multiply the colours by a separate alpha.
    """
    content = bytearray(data)
    directory = tiff.read_directory(data)
    for tag in (tiff.ORIENTATION, tiff.EXTRA_SAMPLES):
        field = directory.tags.get(tag)
        if field is not None and field.count:
            struct.pack_into(f"{directory.order}{field.letter}", content, field.position, 1)
    return content


def _decode_opencv(content: NDArray[np.uint8], name: str) -> Pixels:
    # IMREAD_COLOR: 8 bit, three channels, alpha dropped. The turning is ours, for every format.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(content, flags)
    except cv2.error:
        image = None
    if image is None:
        raise BrokenImage(
            f"truncated or corrupt {name.upper()}: its content cannot be decoded. "
            "Copy or export the file again"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


# EXIF 2.32, tag 274: what has to be done to the stored rows and columns. OpenCV's loops do it in a
# fifth of the time of copying a transposed numpy view.
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda image: image,
    2: lambda image: np.asarray(cv2.flip(image, 1), np.uint8),
    3: lambda image: np.asarray(cv2.flip(image, -1), np.uint8),
    4: lambda image: np.asarray(cv2.flip(image, 0), np.uint8),
    5: lambda image: np.asarray(cv2.transpose(image), np.uint8),
    6: lambda image: np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8),
    7: lambda image: np.asarray(cv2.flip(cv2.transpose(image), -1), np.uint8),
    8: lambda image: np.asarray(cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE), np.uint8),
}
