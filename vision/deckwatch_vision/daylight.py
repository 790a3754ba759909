"""Day or night, told from a picture's pixels alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Pixels of the square that is looked at: noise and JPEG blocks average out, and it costs little.
SIDE = 64
# Nine tenths of a dark picture are darker than this (luma, of 255).
DARK = 60.0
# Farthest that the colours of an infrared picture stray from one tint. On 144 aquarium photographs
# made grey or night-vision green, noisy and saved at quality 70, at most 4.2 was measured; on the
# photographs themselves at least 6.3, and 15.9 at the 5th percentile.
ONE_TINT = 5.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def is_night(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture [H,W,3] RGB was taken at night: it is dark, or infrared.

    Dark: 90 % of it have a luma below `DARK`. Infrared: colour says nothing that brightness does
    not, so the picture is grey or of one tint (the green of night vision). Every channel is fitted
    as a line of the luma, and 95 % of the pixels lie within `ONE_TINT` of these lines. A deck under
    bright lamps in colour counts as day: to a net it looks like one.
    """
    if not pixels.size:
        return False
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    colours = small.reshape(-1, 3).astype(np.float32)
    luma = colours @ _LUMA
    if np.percentile(luma, 90) < DARK:
        return True
    light = luma - luma.mean()
    apart = colours - colours.mean(axis=0)
    slopes = (light @ apart) / max(float(light @ light), 1e-6)
    strays = np.abs(apart - light[:, None] * slopes).max(axis=1)
    return bool(np.percentile(strays, 95) < ONE_TINT)
