"""Size and orientation of a picture from its header alone, in microseconds and without decoding.

Layouts: JPEG, ITU T.81 annex B; PNG, W3C PNG third edition; WebP, RFC 9649; BMP, Microsoft's
BITMAPCOREHEADER and BITMAPINFOHEADER; TIFF, see tiff.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deckwatch_vision import tiff
from deckwatch_vision.errors import BrokenImage, UnsupportedFormat
from deckwatch_vision.formats import ALLOWED, sniff


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Format (jpeg, png, webp, bmp, tiff), stored size in pixels, EXIF orientation 1..8."""

    format: str
    width: int
    height: int
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width once the picture is turned upright."""
        if self.orientation >= 5:  # 5 to 8 exchange rows and columns
            return self.width, self.height
        return self.height, self.width


def read_header(data: bytes | bytearray | memoryview) -> ImageHeader:
    """Read format, size and orientation from the header.

    Raises:
        EmptyImage: there are no bytes.
        UnsupportedFormat: not an allowed format, or a kind of it that cannot be read; convert it.
        BrokenImage: the header is truncated or contradicts itself; copy the file again.
    """
    view = as_bytes(data)
    name = sniff(view)
    try:
        width, height, orientation = _READERS[name](view)
    except (struct.error, IndexError):
        raise BrokenImage(
            f"truncated: the {len(view)} bytes end within the {name.upper()} header. "
            "Copy the file again"
        ) from None
    if width < 1 or height < 1:
        raise BrokenImage(
            f"the {name.upper()} header says {width} x {height} pixels. Export the picture again"
        )
    return ImageHeader(name, width, height, orientation)


def as_bytes(data: bytes | bytearray | memoryview) -> memoryview:
    """A view of any contiguous buffer as single bytes, without copying."""
    view = memoryview(data)
    # An array of no bytes, as a client may send, cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def png_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of each PNG chunk.

    Raises:
        BrokenImage: a chunk reaches beyond the file, or the file ends without IEND.
    """
    yield from _chunks(data, 8, ">I", len(data), 4, b"IEND")


def webp_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of each WebP chunk.

    Raises:
        BrokenImage: a chunk, or the size in the RIFF header, reaches beyond the file.
    """
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise BrokenImage(
            f"truncated: the WebP header says {size + 8} bytes, there are {len(data)}. "
            "Copy the file again"
        )
    yield from _chunks(data, 12, "<I", size + 8, 0, None)


def _chunks(
    data: memoryview, start: int, layout: str, end: int, after: int, last: bytes | None
) -> Iterator[tuple[bytes, int, int]]:
    """Walk chunks from `start` to the one named `last`, or to `end`.

    PNG's length precedes the name and a checksum of `after` bytes follows; RIFF's length follows
    the name, and contents are padded to even length.
    """
    png = layout == ">I"
    while start + 8 <= end:
        (length,) = struct.unpack_from(layout, data, start if png else start + 4)
        name = bytes(data[start + 4 : start + 8] if png else data[start : start + 4])
        if start + 8 + length + after > end:
            raise BrokenImage(
                f"truncated: a chunk of {length} bytes at byte {start} lies beyond the "
                f"{len(data)} bytes. Copy the file again"
            )
        yield name, start + 8, length
        if name == last:
            return
        start += 8 + length + after + (0 if png else length % 2)
    if last is not None:
        raise BrokenImage(f"truncated: {len(data)} bytes without an end mark. Copy the file again")


def jpeg_segments(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """Marker, start and length of the content of each JPEG segment before the first scan.

    Raises:
        BrokenImage: there is no marker where one has to be.
        struct.error, IndexError: the file ends before the scan.
    """
    position = 2
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1  # fill bytes may precede a marker
        if data[position] != 0xFF:
            raise BrokenImage(
                f"no JPEG marker at byte {position} of {len(data)}. Export the picture again"
            )
        marker = data[position + 1]
        if marker in (0xD9, 0xDA):  # end of image, start of scan
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield marker, position + 4, max(length, 2) - 2
        position += 2 + max(length, 2)


def _jpeg(data: memoryview) -> tuple[int, int, int]:
    orientation, size = 0, None
    for marker, start, length in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            precision, height, width = struct.unpack_from(">BHH", data, start)
            _check_jpeg_kind(marker, precision)
            size = size or (width, height)
        elif marker == 0xE1 and bytes(data[start : start + 6]) == b"Exif\0\0":
            orientation = orientation or tiff.exif_orientation(data[start : start + length])
    if size is None:
        raise BrokenImage("a JPEG without a frame header. Export the picture again")
    return (*size, orientation or 1)


# Start-of-frame markers C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _check_jpeg_kind(marker: int, precision: int) -> None:
    # Baseline, extended, progressive; Huffman or arithmetic: what libjpeg-turbo decodes.
    if marker not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
        raise UnsupportedFormat(
            f"a lossless or hierarchical JPEG (frame type {marker:02X}). "
            f"Save it as an ordinary JPEG or PNG; allowed are {ALLOWED}"
        )
    if precision != 8:
        raise UnsupportedFormat(
            f"a JPEG of {precision} bits a sample, expected 8. Save it as an 8-bit JPEG or as PNG"
        )


def _png(data: memoryview) -> tuple[int, int, int]:
    name, width, height = struct.unpack_from(">4sII", data, 12)
    if name != b"IHDR":
        raise BrokenImage(
            f"a PNG that begins with {name!r} instead of IHDR. Export the picture again"
        )
    for chunk, start, length in png_chunks(data):
        if chunk == b"eXIf":
            return width, height, tiff.exif_orientation(data[start : start + length])
    return width, height, 1


def _webp(data: memoryview) -> tuple[int, int, int]:
    canvas: tuple[int, int] | None = None
    picture: tuple[int, int] | None = None
    orientation = 1
    for name, start, length in webp_chunks(data):
        if name == b"VP8X":
            canvas = _uint24(data, start + 4) + 1, _uint24(data, start + 7) + 1
        elif name in (b"VP8 ", b"VP8L") and picture is None:
            picture = _webp_lossy(data, start) if name == b"VP8 " else _webp_lossless(data, start)
        elif name == b"ANMF" and picture is None:
            picture = canvas  # the decoder paints the first frame on the canvas
        elif name == b"EXIF":
            orientation = tiff.exif_orientation(data[start : start + length])
    if picture is None or (canvas is not None and canvas != picture):
        raise BrokenImage(
            f"the WebP header says {canvas}, its picture {picture} pixels. Export it again"
        )
    return (*picture, orientation)


def _webp_lossy(data: memoryview, start: int) -> tuple[int, int]:
    mark, width, height = struct.unpack_from("<3sHH", data, start + 3)
    if mark != b"\x9d\x01\x2a":
        raise BrokenImage("a WebP without a key frame. Export the picture again")
    return width & 0x3FFF, height & 0x3FFF  # the two upper bits ask for scaling on display


def _webp_lossless(data: memoryview, start: int) -> tuple[int, int]:
    mark, bits = struct.unpack_from("<BI", data, start)
    if mark != 0x2F:
        raise BrokenImage("a lossless WebP without its mark. Export the picture again")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _uint24(data: memoryview, start: int) -> int:
    return int.from_bytes(data[start : start + 3], "little")


def _bmp(data: memoryview) -> tuple[int, int, int]:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:  # OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif size >= 40:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise BrokenImage(f"a BMP header of {size} bytes. Export the picture again")
    # 0 plain, 1 and 2 run lengths, 3 and 6 bit fields; 4 and 5 wrap a JPEG or PNG.
    if compression not in (0, 1, 2, 3, 6) or bits not in (1, 4, 8, 16, 24, 32):
        raise UnsupportedFormat(
            f"a BMP of {bits} bits with compression {compression}. Save it as PNG"
        )
    return width, abs(height), 1  # a negative height means rows from the top


def _tiff(data: memoryview) -> tuple[int, int, int]:
    directory = tiff.read_directory(data)
    size = directory.value(tiff.WIDTH, 0), directory.value(tiff.HEIGHT, 0)
    return (*size, tiff.valid_orientation(directory.value(tiff.ORIENTATION, 1)))


_READERS: dict[str, Callable[[memoryview], tuple[int, int, int]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
}
