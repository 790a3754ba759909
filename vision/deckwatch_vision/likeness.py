"""How alike two pictures look: a perceptual hash of 64 bits, and a cheap small copy to hash.

The hash is pHash: a cosine transform of the grey picture at 32 x 32, and for each of the 8 x 8
lowest frequencies whether it is above their median. Two frames of one scene differ in a few bits,
pictures of different scenes in about half of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import simplejpeg

from deckwatch_vision.formats import sniff
from deckwatch_vision.images import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

SIDE, LOW = 32, 8
# The most bits in which near duplicates differ: frames of a burst, the same frame saved again.
NEAR = 6
# Pixels of the shorter side of a thumbnail, at least: enough for the hash and to tell the night.
THUMBNAIL = 64


def perceptual_hash(pixels: Pixels) -> int:
    """The 64-bit hash of a picture [H,W,3] RGB."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:LOW, :LOW]
    bits = (low > np.median(low)).reshape(-1)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(one: int, other: int) -> int:
    """In how many bits two hashes differ, 0 to 64."""
    return (one ^ other).bit_count()


def distances(one: int, others: NDArray[np.uint64]) -> NDArray[np.int64]:
    """`distance` to each of `others` [N]."""
    differing = others ^ np.uint64(one)
    bits = np.unpackbits(differing.view(np.uint8).reshape(len(others), 8), axis=1)
    return np.asarray(bits.sum(axis=1), np.int64)


def thumbnail(data: bytes) -> Pixels:
    """A small copy of an encoded picture [h,w,3] RGB, in a fraction of the time of `decode`.

    Of a JPEG up to an eighth of its size, as the camera stored it and not turned upright; of other
    formats the whole picture. For looking at pictures that were decoded before.

    Raises:
        ImageError: the picture is empty, broken, too large or of no allowed format.
    """
    if sniff(memoryview(data)) == "jpeg":
        try:
            return np.asarray(
                simplejpeg.decode_jpeg(
                    data, "RGB", fastdct=True, fastupsample=True,
                    min_height=THUMBNAIL, min_width=THUMBNAIL,
                ),
                np.uint8,
            )  # fmt: skip
        except ValueError:  # an oddity that `decode` knows how to read
            pass
    return decode(data)
