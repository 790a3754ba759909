"""Blurring what never changes, before a picture is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from deckwatch_vision.images import encode_jpeg

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deckwatch_client.background.compare import Match

    Pixels = NDArray[np.uint8]

# As frames of videos are sent: every backend sees the same pixels.
QUALITY = 95
# Side of the square over which it is blurred, as a share of the picture's width, so that what looks
# like a fish loses its shape. Grey finds as many fish, but a release that also looks at the picture
# as a whole sees no fish in it then: 23 % of simulated pictures with fish kept the right label.
BLUR = 0.064
# Pixels, at the background's scale, around what changed that stay as they are: a fish needs the
# deck around it to be seen as one.
AROUND = 12


def masked(pixels: Pixels, match: Match) -> bytes:
    """A picture [H,W,3] as a JPEG in which what looks as the background does is blurred."""
    height, width = pixels.shape[:2]
    # Single pixels that differ are noise.
    changed = cv2.morphologyEx(
        (~match.same).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)
    )
    shown = cv2.dilate(changed, np.ones((2 * AROUND + 1,) * 2, np.uint8))
    keep = cv2.resize(shown, (width, height), interpolation=cv2.INTER_NEAREST)
    side = max(3, round(BLUR * width))
    painted = np.where(keep[..., None] > 0, pixels, cv2.blur(pixels, (side, side)))
    return encode_jpeg(painted, QUALITY, "444")
