"""Small copies of pictures for report pages, with their boxes where wanted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_vision.boxes import draw
from deckwatch_vision.errors import ImageError
from deckwatch_vision.images import decode


def thumbnail(path: Path, side: int = 240, entry: Entry | None = None) -> NDArray[np.uint8] | None:
    """A picture at most `side` pixels wide and high, RGB; None where it cannot be read.

    entry: draw its boxes with their species.
    """
    try:
        pixels = decode(path.read_bytes())
    except (OSError, ImageError):
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    if entry is None or not entry.boxes:
        return pixels
    corners = [[b.x, b.y, b.x + b.width, b.y + b.height] for b in entry.boxes]
    boxes = np.array(corners, np.float32) * np.float32(scale)
    return draw(pixels, boxes, [box.label for box in entry.boxes])


def shown(data: Catalogue, position: int, side: int = 240) -> NDArray[np.uint8] | None:
    """`thumbnail` of a data set's picture, with its boxes."""
    entry = data.entries[position]
    return thumbnail(data.path(entry), side, entry)
