"""Steps of light and weather that albumentations has not, or takes many times as long for.

On one core and at 720p its fog takes 104 ms and its sensor noise 35.
"""

from __future__ import annotations

import cv2
import numpy as np

from deckwatch_training.augment.samples import Pixels
from deckwatch_training.augment.steps import Range, Share, of_pixels

_LEVELS = np.arange(256, dtype=np.float32)


@of_pixels("channel_stretch")
def channel_stretch(pixels: Pixels, rng: np.random.Generator, *, limit: Share = 0.5) -> Pixels:
    """Stretch or squeeze red, green and blue each by up to half, as another camera would."""
    gains = rng.uniform(1 - limit, 1 + limit, 3).astype(np.float32)
    table = np.clip(_LEVELS[:, None] * gains + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(pixels, table[None]), np.uint8)


@of_pixels("fog")
def fog(pixels: Pixels, rng: np.random.Generator, *, density: Range = (0.15, 0.5)) -> Pixels:
    """Banks of fog or spray: the picture fades unevenly towards a light grey."""
    height, width = pixels.shape[:2]
    most = float(rng.uniform(*density))
    grey = float(rng.uniform(170, 235))
    # Clouds: coarse noise and finer noise of half the strength, both smoothly enlarged.
    clouds = np.zeros((height, width), np.float32)
    for cells, strength in ((4, 2 / 3), (12, 1 / 3)):
        coarse = rng.random((cells, cells), np.float32) * np.float32(strength)
        clouds += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip(clouds * 2 * most, 0, 0.95)
    # Whole numbers of 1/256: float pictures of three channels would cost five times as much.
    weight = cv2.merge([(share * 256).astype(np.uint16)] * 3)
    faded = pixels.astype(np.uint16) * (256 - weight) + weight * np.uint16(grey)
    return np.asarray(faded >> 8, np.uint8)


@of_pixels("noise")
def noise(
    pixels: Pixels,
    rng: np.random.Generator,
    *,
    deviation: Range = (4.0, 16.0),
    colour: Share = 0.3,
) -> Pixels:
    """Sensor noise: of the brightness, and coarser and weaker of the colours.

    deviation: standard deviation in levels of 255; colour: of the colours, as a share of it.
    """
    height, width = pixels.shape[:2]
    sigma = np.float32(rng.uniform(*deviation))
    grain = rng.standard_normal((height, width), np.float32) * sigma
    # Colour noise comes from demosaicing and 4:2:0 storage, so it is twice as coarse.
    half = ((height + 1) // 2, (width + 1) // 2, 3)
    tint = rng.standard_normal(half, np.float32) * sigma * np.float32(colour)
    whole = cv2.resize(tint, (width, height), interpolation=cv2.INTER_LINEAR)
    total = cv2.add(cv2.merge([grain] * 3), whole.reshape(height, width, 3))
    return np.asarray(cv2.add(pixels, total, dtype=cv2.CV_8U), np.uint8)
