"""The pictures that are sent: the sample photographs as a camera's 720p and 1080p JPEGs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.settings import SIZES
from deckwatch_vision.images import decode, encode_jpeg

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
QUALITY = 85


def write_pictures(folder: Path, count: int) -> dict[str, list[str]]:
    """Write `count` photographs in every size into `folder`; the paths by the size's name."""
    photos = sorted(PHOTOS.glob("*.jpg"))[:count]
    written: dict[str, list[str]] = {name: [] for name in SIZES}
    for photo in photos:
        image = decode(photo.read_bytes())
        for name, (width, height) in SIZES.items():
            path = folder / f"{photo.stem}-{name}.jpg"
            path.write_bytes(encode_jpeg(fitted(image, width, height), QUALITY))
            written[name].append(str(path))
    return written


def fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """`image` scaled to fit, its mirror image at the sides.

    A border of one colour would decode faster than a photograph does.
    """
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    scaled = cv2.resize(image, inner, interpolation=cv2.INTER_CUBIC)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    right, bottom = width - inner[0] - left, height - inner[1] - top
    padded = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_REFLECT)
    return np.ascontiguousarray(padded, np.uint8)
