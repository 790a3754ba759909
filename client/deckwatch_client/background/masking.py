"""Painting over what never changes, before a picture is looked at."""

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
# The detector's own padding.
GREY = 114
# Pixels, at the background's scale, around what changed that stay as they are: a fish needs the
# deck around it to be seen as one.
AROUND = 24


def masked(pixels: Pixels, match: Match) -> bytes:
    """A picture [H,W,3] as a JPEG in which what looks as the background does is grey."""
    height, width = pixels.shape[:2]
    # Single pixels that differ are noise.
    changed = cv2.morphologyEx(
        (~match.same).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)
    )
    shown = cv2.dilate(changed, np.ones((2 * AROUND + 1,) * 2, np.uint8))
    keep = cv2.resize(shown, (width, height), interpolation=cv2.INTER_NEAREST)
    painted = np.where(keep[..., None] > 0, pixels, np.uint8(GREY))
    return encode_jpeg(painted, QUALITY, "444")
