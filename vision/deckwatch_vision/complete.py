"""Is the whole picture there? Checked on the container before a decoder allocates anything.

Decoders fill what is missing with grey, zeros or whatever lay in memory, each in its own way; a
picture cut off in transfer must never get an answer. JPEG has no lengths to check: there the
decoder's own warnings are taken as errors (images.py).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from deckwatch_vision import tiff
from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.headers import ImageHeader, png_chunks, webp_chunks
from deckwatch_vision.tiff_kinds import YCBCR, check_kind

_DEFLATE_MOST = 1032  # bytes out for a byte in, at best (zlib, "Maximum Compression Factor")


def check_complete(data: memoryview, header: ImageHeader) -> None:
    """Refuse a PNG, WebP, BMP or TIFF whose content does not fit its header.

    Raises:
        BrokenImage: truncated, or the header claims more than the file can hold.
        UnsupportedFormat: a kind of TIFF that cannot be decoded to 8-bit RGB faithfully.
    """
    try:
        _CHECKS[header.format](data, header)
    except struct.error:
        raise BrokenImage(
            f"truncated: {len(data)} bytes end within the {header.format.upper()} header. "
            "Copy the file again"
        ) from None


def critical_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of the PNG chunks that make the picture.

    Raises:
        BrokenImage: a chunk is of no kind that PNG knows, or the file ends without IEND.
    """
    for name, start, length in png_chunks(data):
        # A small first letter marks what a decoder may leave out (PNG section 5.4).
        if name[0] & 0x20:
            continue
        if name not in _CRITICAL:
            raise BrokenImage(f"a PNG with a chunk {name!r}. Export the picture again")
        yield name, start, length


_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def _png(data: memoryview, header: ImageHeader) -> None:
    bits, colour = data[24], data[25]
    packed = 0
    for name, start, length in critical_chunks(data):
        end = start + length
        (expected,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(data[start - 4 : end]) != expected:
            raise BrokenImage(
                f"corrupt: the checksum of PNG chunk {name.decode('latin-1')} at byte {start} "
                "does not fit. Copy the file again"
            )
        packed += length if name == b"IDAT" else 0
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    if header.width * header.height * samples * bits // 8 > packed * _DEFLATE_MOST:
        raise BrokenImage(
            f"the PNG header says {header.width} x {header.height} pixels, too many for "
            f"{packed} bytes of content. Export the picture again"
        )


def _webp(data: memoryview, _header: ImageHeader) -> None:
    for _ in webp_chunks(data):
        pass  # each step checks that the chunk lies within the file


def _bmp(data: memoryview, header: ImageHeader) -> None:
    (offset,) = struct.unpack_from("<I", data, 10)
    (size,) = struct.unpack_from("<I", data, 14)
    compression, content = 0, 0
    if size == 12:
        (bits,) = struct.unpack_from("<H", data, 24)
    else:
        bits, compression, content = struct.unpack_from("<HII", data, 28)
    if compression not in (1, 2):  # rows are padded to four bytes
        content = (header.width * bits + 31) // 32 * 4 * header.height
    if offset + content > len(data):
        raise BrokenImage(
            f"truncated: the BMP needs {offset + content} bytes for {header.width} x "
            f"{header.height} pixels, there are {len(data)}. Copy the file again"
        )


def _tiff(data: memoryview, header: ImageHeader) -> None:
    directory = tiff.read_directory(data)
    check_kind(directory)
    if tiff.TILE_OFFSETS in directory.tags:
        offsets, lengths = tiff.TILE_OFFSETS, tiff.TILE_BYTES
    else:
        offsets, lengths = tiff.STRIP_OFFSETS, tiff.STRIP_BYTES
    starts, sizes = directory.values(offsets), directory.values(lengths)
    if not starts or len(starts) != len(sizes):
        raise BrokenImage(
            f"a TIFF with {len(starts)} parts and {len(sizes)} lengths. Export the picture again"
        )
    parts = (start + size for start, size in zip(starts, sizes, strict=True))
    end = max(directory.end, *parts)
    if end > len(data):
        raise BrokenImage(
            f"truncated: the TIFF's content reaches to byte {end}, there are {len(data)}. "
            "Copy the file again"
        )
    if directory.value(tiff.COMPRESSION, 1) == 1:
        bits = directory.value(tiff.BITS, 1)
        if directory.value(tiff.PHOTOMETRIC, 1) != YCBCR:  # whose colours may be stored coarser
            bits *= directory.value(tiff.SAMPLES, 1)
        needed = header.width * header.height * bits // 8
        if sum(sizes) < needed:
            raise BrokenImage(
                f"truncated: the TIFF has {sum(sizes)} of {needed} bytes of pixels. "
                "Copy the file again"
            )


_CHECKS: dict[str, Callable[[memoryview, ImageHeader], None]] = {
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
}
