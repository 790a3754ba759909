"""The kinds of TIFF that OpenCV turns into 8-bit RGB faithfully, found by trying them all.

TIFF is a family: of what libtiff can read, OpenCV 4.11 and 5.0 refuse some kinds and decode others
(tiles of 16-bit grey, of grey with alpha) to wrong pixels without a word. What is not listed here
is refused.
"""

from __future__ import annotations

from deckwatch_vision import tiff
from deckwatch_vision.errors import BrokenImage, UnsupportedFormat
from deckwatch_vision.tiff import Directory

CMYK, YCBCR = 5, 6

# Colour kind (tag 262) and bits a sample, to the numbers of samples a pixel.
_LAYOUTS = {
    (0, 1): {1},  # grey, 0 is white
    (0, 8): {1, 2},
    (0, 16): {1, 2},
    (1, 1): {1},  # grey, 0 is black
    (1, 8): {1, 2},
    (1, 16): {1, 2},
    (2, 8): {3, 4},  # RGB
    (2, 16): {3, 4},
    (3, 1): {1},  # palette
    (3, 4): {1},
    (3, 8): {1},
    (CMYK, 8): {4},
    (YCBCR, 8): {3},
}
# None, three fax codes, LZW, JPEG, Deflate (new and old number), PackBits.
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773})
_LARGEST_TILE = 4096


def check_kind(directory: Directory) -> None:
    """Refuse a TIFF that would not come out right.

    Raises:
        UnsupportedFormat: a kind that is not listed; save it as the message says.
        BrokenImage: its tiles do not fit its size.
    """
    compression = directory.value(tiff.COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise UnsupportedFormat(
            f"a TIFF with compression {compression}. Save it without, or with LZW or Deflate"
        )
    samples, bits = directory.value(tiff.SAMPLES, 1), directory.value(tiff.BITS, 1)
    colour, number = directory.value(tiff.PHOTOMETRIC, 1), directory.value(tiff.SAMPLE_FORMAT, 1)
    uniform = len(set(directory.values(tiff.BITS))) <= 1
    if samples not in _LAYOUTS.get((colour, bits), ()) or not uniform or number != 1:
        raise UnsupportedFormat(
            f"a TIFF of {samples} samples of {bits} bits (colour kind {colour}, number kind "
            f"{number}). Save it as RGB, grey or CMYK with 8 unsigned bits, or as PNG"
        )
    if tiff.TILE_OFFSETS in directory.tags:
        _check_tiles(directory, samples, bits, compression)


def _check_tiles(directory: Directory, samples: int, bits: int, compression: int) -> None:
    width, height = directory.value(tiff.TILE_WIDTH, 0), directory.value(tiff.TILE_HEIGHT, 0)
    # Decoders allocate a tile before reading it: one far larger than its picture is a trap.
    if not 0 < width <= _LARGEST_TILE or not 0 < height <= _LARGEST_TILE:
        raise BrokenImage(
            f"a TIFF in tiles of {width} x {height} pixels, expected at most {_LARGEST_TILE}. "
            "Export the picture again"
        )
    uneven = compression == 1 and width * height * samples * bits // 8 % 1024
    if uneven or samples == 2 or (samples == 1 and bits == 16):
        raise UnsupportedFormat(
            f"a TIFF in tiles of {width} x {height} pixels with {samples} samples of {bits} bits. "
            "Save it in strips, or as PNG"
        )
