"""Is the whole picture there? Checked on the container before a decoder allocates anything.

Decoders fill what is missing with grey, zeros or whatever lay in memory, each in its own way; a
picture cut off in transfer must never get an answer. JPEG has no lengths to check: there the
decoder's own warnings are taken as errors (images.py).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from deckwatch_vision import tiff
from deckwatch_vision.errors import BrokenImage, UnsupportedFormat
from deckwatch_vision.headers import ImageHeader, png_chunks, webp_chunks

_DEFLATE_MOST = 1032  # bytes out for a byte in, at best (zlib, "Maximum Compression Factor")


def check_complete(data: memoryview, header: ImageHeader) -> None:
    """Refuse a PNG, WebP, BMP or TIFF whose content does not fit its header.

    Raises:
        BrokenImage: truncated, or the header claims more than the file can hold.
        UnsupportedFormat: a kind of TIFF that cannot be decoded to 8-bit RGB faithfully.
    """
    _CHECKS[header.format](data, header)


def _png(data: memoryview, header: ImageHeader) -> None:
    bits, colour = data[24], data[25]
    packed = 0
    for name, start, length in png_chunks(data):
        end = start + length
        (expected,) = struct.unpack_from(">I", data, end)
        if name[0] & 0x20 == 0 and zlib.crc32(data[start - 4 : end]) != expected:
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
    _check_tiff_kind(directory)
    if tiff.TILE_OFFSETS in directory.tags:
        offsets, lengths = tiff.TILE_OFFSETS, tiff.TILE_BYTES
        _check_tiles(directory, header)
    else:
        offsets, lengths = tiff.STRIP_OFFSETS, tiff.STRIP_BYTES
    starts, sizes = directory.values(offsets), directory.values(lengths)
    if not starts or len(starts) != len(sizes):
        raise BrokenImage(
            f"a TIFF with {len(starts)} parts and {len(sizes)} lengths. Export the picture again"
        )
    end = max(start + size for start, size in zip(starts, sizes, strict=True))
    if end > len(data):
        raise BrokenImage(
            f"truncated: the TIFF's pixels reach to byte {end}, there are {len(data)}. "
            "Copy the file again"
        )
    bits = sum(directory.values(tiff.BITS)) or 1
    if directory.value(tiff.COMPRESSION, 1) == 1:
        needed = header.width * header.height * bits // 8
        if sum(sizes) < needed:
            raise BrokenImage(
                f"truncated: the TIFF has {sum(sizes)} of {needed} bytes of pixels. "
                "Copy the file again"
            )


def _check_tiff_kind(directory: tiff.Directory) -> None:
    compression = directory.value(tiff.COMPRESSION, 1)
    if compression not in _TIFF_COMPRESSIONS:
        raise UnsupportedFormat(
            f"a TIFF with compression {compression}. Save it without, or with LZW or Deflate"
        )
    bits = set(directory.values(tiff.BITS)) or {1}
    formats = set(directory.values(tiff.SAMPLE_FORMAT)) or {1}
    if len(bits) > 1 or not bits <= {1, 2, 4, 8, 16} or formats != {1}:
        raise UnsupportedFormat(
            f"a TIFF of {sorted(bits)} bits a sample, sample format {sorted(formats)}. "
            "Save it with 8 or 16 bits, unsigned"
        )
    photometric = directory.value(tiff.PHOTOMETRIC, 1)
    if photometric not in _TIFF_COLOURS:
        raise UnsupportedFormat(
            f"a TIFF of colour kind {photometric}. Save it as RGB, grey, palette or CMYK"
        )


# None, three fax codes, LZW, JPEG, Deflate (new and old number), PackBits.
_TIFF_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
# Grey (0 is white, 0 is black), RGB, palette, CMYK, YCbCr.
_TIFF_COLOURS = frozenset({0, 1, 2, 3, 5, 6})
_LARGEST_TILE = 4096


def _check_tiles(directory: tiff.Directory, header: ImageHeader) -> None:
    """Decoders allocate a tile before reading it: one far larger than its picture is a trap."""
    width, height = directory.value(tiff.TILE_WIDTH, 0), directory.value(tiff.TILE_HEIGHT, 0)
    fits = width <= max(_LARGEST_TILE, 2 * header.width) and height <= max(
        _LARGEST_TILE, 2 * header.height
    )
    if not fits:
        raise BrokenImage(
            f"a TIFF of {header.width} x {header.height} pixels in tiles of {width} x {height}. "
            "Export the picture again"
        )


_CHECKS: dict[str, Callable[[memoryview, ImageHeader], None]] = {
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
}
