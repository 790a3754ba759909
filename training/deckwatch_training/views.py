"""Random views of pictures for the detector: scale, place, mosaic, flip, light and colour.

Pure numpy and OpenCV, on the fly, all randomness from one generator per (seed, epoch, index), so
that a resumed run sees exactly the views of an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.dataset import Picture

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
FILL = 114
# A box of which less than this share is left in the view is no longer a fair example.
VISIBLE = 0.35


@dataclass(frozen=True)
class ViewConfig:
    """What the views vary.

    scale: range of the letterbox scale; mosaic: share of views made of four pictures; flip: share
    mirrored; light, contrast, colour: largest relative change; hue: largest turn in degrees / 2.
    """

    scale: tuple[float, float] = (0.6, 1.6)
    mosaic: float = 0.5
    flip: float = 0.5
    light: float = 0.25
    contrast: float = 0.25
    colour: float = 0.4
    hue: float = 6.0


def view(
    picture: Picture, others: list[Picture], size: int, config: ViewConfig, rng: np.random.Generator
) -> tuple[Pixels, Boxes]:
    """A random view: canvas uint8 [size, size, 3] and its boxes [N, 4].

    `others` are the three further pictures of a mosaic; without three there is none.
    """
    canvas = np.full((size, size, 3), FILL, np.uint8)
    if len(others) == 3 and rng.random() < config.mosaic:
        boxes = _mosaic(canvas, [picture, *others], config, rng)
    else:
        boxes = _place(canvas, (0, 0, size, size), picture, rng.uniform(*config.scale), rng)
    if rng.random() < config.flip:
        canvas = canvas[:, ::-1]
        boxes = np.stack((size - boxes[:, 2], boxes[:, 1], size - boxes[:, 0], boxes[:, 3]), 1)
    return colour(canvas, config, rng), boxes


def _mosaic(
    canvas: Pixels, pictures: list[Picture], config: ViewConfig, rng: np.random.Generator
) -> Boxes:
    size = canvas.shape[0]
    cx, cy = rng.integers(size // 4, size * 3 // 4, 2)
    tiles = ((0, 0, cx, cy), (cx, 0, size, cy), (0, cy, cx, size), (cx, cy, size, size))
    low, high = config.scale
    # Four pictures share the canvas, so each is shown smaller, yet never below what production sees
    # by much: small fish would shrink to a few pixels.
    found = [
        _place(canvas, tile, picture, rng.uniform(low, max(low, high * 0.75)), rng)
        for tile, picture in zip(tiles, pictures, strict=True)
    ]
    return np.concatenate(found)


def _place(
    canvas: Pixels,
    tile: tuple[int, int, int, int],
    picture: Picture,
    zoom: float,
    rng: np.random.Generator,
) -> Boxes:
    """Paint the picture at `zoom` times its letterbox scale somewhere in the tile."""
    size = canvas.shape[0]
    left, top, right, bottom = tile
    scale = zoom * min(size / picture.height, size / picture.width)
    stretch = float(np.exp(rng.uniform(-0.1, 0.1)))
    sx, sy = scale * stretch, scale / stretch
    width, height = picture.width * sx, picture.height * sy
    # Anywhere within the tile where it fits, any part of it where it does not.
    x = left + _between(0.0, right - left - width, rng)
    y = top + _between(0.0, bottom - top - height, rng)
    pixels = picture.pixels()
    matrix = np.array([[sx, 0, x - left], [0, sy, y - top]], np.float64)
    # Sampling points, not areas, aliases when shrinking; the blur stands in for INTER_AREA.
    if scale < 0.7:
        pixels = np.asarray(cv2.blur(pixels, (2, 2)), np.uint8)
    canvas[top:bottom, left:right] = cv2.warpAffine(
        pixels,
        matrix,
        (int(right - left), int(bottom - top)),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(FILL, FILL, FILL),
    )
    boxes = picture.boxes * (sx, sy, sx, sy) + (x, y, x, y)
    return _clip(boxes.astype(np.float32), tile)


def _clip(boxes: Boxes, tile: tuple[int, int, int, int]) -> Boxes:
    low = np.array((tile[0], tile[1]) * 2, np.float32)
    high = np.array((tile[2], tile[3]) * 2, np.float32)
    clipped = np.clip(boxes, low, high)
    sides = clipped[:, 2:] - clipped[:, :2]
    area = np.prod(boxes[:, 2:] - boxes[:, :2], 1)
    keep = (np.prod(sides, 1) >= VISIBLE * area) & (sides.min(1, initial=np.inf) >= 3)
    return np.asarray(clipped[keep], np.float32)


def _between(a: float, b: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(min(a, b), max(a, b)))


class Tint(Protocol):
    """What `colour` may change, of either configuration."""

    @property
    def light(self) -> float: ...
    @property
    def contrast(self) -> float: ...
    @property
    def colour(self) -> float: ...
    @property
    def hue(self) -> float: ...


def colour(canvas: Pixels, config: Tint, rng: np.random.Generator) -> Pixels:
    """A copy in another light: contrast, brightness, saturation and hue."""
    gain = 1 + rng.uniform(-config.contrast, config.contrast)
    bias = 255 * rng.uniform(-config.light, config.light) * 0.5
    table = np.clip(np.arange(256) * gain + bias, 0, 255).astype(np.uint8)
    hsv = cv2.cvtColor(cv2.LUT(np.ascontiguousarray(canvas), table), cv2.COLOR_RGB2HSV)
    hue, saturation, value = cv2.split(hsv)
    turned = (np.arange(256) + round(rng.uniform(-config.hue, config.hue))) % 180
    stretch = np.clip(
        np.arange(256) * (1 + rng.uniform(-config.colour, config.colour)), 0, 255
    ).astype(np.uint8)
    hue = cv2.LUT(hue, turned.astype(np.uint8))
    tinted = cv2.merge((hue, cv2.LUT(saturation, stretch), value))
    return np.asarray(cv2.cvtColor(tinted, cv2.COLOR_HSV2RGB), np.uint8)
