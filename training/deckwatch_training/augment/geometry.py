"""Steps that move the picture; the boxes follow."""

from __future__ import annotations

from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from deckwatch_training.augment.samples import Floats, Pixels, Sample
from deckwatch_training.augment.steps import Range, Share, step
from deckwatch_vision.boxes import PADDING

Turn = Annotated[float, Field(gt=0, le=180)]
Canvas = Literal["grow", "keep"]
_QUARTERS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@step("flip")
def flip(
    sample: Sample, rng: np.random.Generator, *, horizontal: bool = True, vertical: bool = False
) -> bool:
    """Mirror left and right, top and bottom, or, where both are allowed, one of these or both."""
    ways = [0] * vertical + [1] * horizontal + [-1] * (horizontal and vertical)
    if not ways:
        return False
    way = ways[int(rng.integers(len(ways)))]
    width, height = sample.size
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    if way != 0:
        matrix[0] = (-1, 0, width)
    if way != 1:
        matrix[1] = (0, -1, height)
    sample.move(np.asarray(cv2.flip(sample.pixels, way), np.uint8), matrix)
    return True


@step("rotate30")
def rotate30(
    sample: Sample, rng: np.random.Generator, *, degrees: Turn = 30.0, canvas: Canvas = "grow"
) -> bool:
    """Turn by a random multiple of 30 degrees; the canvas grows so that nothing is cut off."""
    times = int(rng.integers(1, max(2, round(360 / degrees))))
    return _turn(sample, times * degrees, canvas)


@step("rotate")
def rotate(
    sample: Sample, rng: np.random.Generator, *, limit: Turn = 10.0, canvas: Canvas = "grow"
) -> bool:
    """Tilt by any angle up to a limit, as a camera that hangs askew."""
    return _turn(sample, float(rng.uniform(-limit, limit)), canvas)


def _turn(sample: Sample, degrees: float, canvas: str) -> bool:
    if canvas == "keep" and sample.unboxed:
        canvas = "grow"
    width, height = sample.size
    angle = np.deg2rad(degrees)
    cosine, sine = float(np.cos(angle)), float(np.sin(angle))
    quarter = degrees % 90 == 0
    if quarter:  # rounding would leave slivers of the fill at the edges
        cosine, sine = float(round(cosine)), float(round(sine))
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0]])
    size = width, height
    if canvas == "grow":
        size = (
            int(np.ceil(abs(width * cosine) + abs(height * sine) - 1e-6)),
            int(np.ceil(abs(width * sine) + abs(height * cosine) - 1e-6)),
        )
    middle = np.array((width, height)) / 2
    matrix[:, 2] = np.array(size) / 2 - matrix[:, :2] @ middle
    if quarter and canvas == "grow":
        code = _QUARTERS.get(round(degrees % 360))
        turned = sample.pixels if code is None else cv2.rotate(sample.pixels, code)
        sample.move(np.asarray(turned, np.uint8), matrix)
    else:
        sample.warp(matrix, size)
    return True


@step("rescale")
def rescale(
    sample: Sample,
    rng: np.random.Generator,
    *,
    scale: Range = (0.6, 1.6),
    stretch: Share = 0.1,
) -> bool:
    """Show everything larger or smaller, somewhere in a frame of the same size.

    stretch: how much longer or shorter one side may become than the other.
    """
    low, high = scale
    # Equal chances for half and double the size.
    zoom = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    apart = float(np.exp(rng.uniform(-stretch, stretch)))
    if sample.unboxed:
        zoom = min(zoom, 1 / max(apart, 1 / apart))
    return _place(sample, (zoom * apart, zoom / apart), rng)


@step("crop", cuts=True)
def crop(sample: Sample, rng: np.random.Generator, *, least: Share = 0.6) -> bool:
    """Cut a window out of the picture, at least `least` of its width and height."""
    width, height = sample.size
    new = tuple(max(1, round(side * float(rng.uniform(least, 1)))) for side in (width, height))
    left = int(rng.integers(0, width - new[0] + 1))
    top = int(rng.integers(0, height - new[1] + 1))
    window = sample.pixels[top : top + new[1], left : left + new[0]]
    sample.move(np.ascontiguousarray(window), np.array([[1.0, 0, -left], [0, 1.0, -top]]))
    return True


@step("shift", cuts=True)
def shift(sample: Sample, rng: np.random.Generator, *, limit: Share = 0.2) -> bool:
    """Move the picture within its frame by up to `limit` of its width and height."""
    width, height = sample.size
    dx, dy = (round(float(side * rng.uniform(-limit, limit))) for side in (width, height))
    pixels = _paste(sample.pixels, (dx, dy), (width, height))
    sample.move(pixels, np.array([[1.0, 0, dx], [0, 1.0, dy]]))
    return True


def _place(sample: Sample, scale: tuple[float, float], rng: np.random.Generator) -> bool:
    """Everything scaled by x and y, at a random place in a frame of the same size."""
    width, height = sample.size
    free = width * (1 - scale[0]), height * (1 - scale[1])
    # Anywhere in the frame where it fits, any part of it where it does not.
    x, y = (float(rng.uniform(min(0.0, each), max(0.0, each))) for each in free)
    if scale[0] < 1 and scale[1] < 1:
        size = max(1, round(width * scale[0])), max(1, round(height * scale[1]))
        exact = size[0] / width, size[1] / height
        x, y = float(int(x)), float(int(y))
        # Averaged, because sampling points would alias.
        small = cv2.resize(sample.pixels, size, interpolation=cv2.INTER_AREA)
        pixels = _paste(np.asarray(small, np.uint8), (int(x), int(y)), (width, height))
        sample.move(pixels, _scaling(exact, x, y))
    else:
        sample.warp(_scaling(scale, x, y), (width, height))
    return True


def _scaling(scale: tuple[float, float], x: float, y: float) -> Floats:
    return np.array([[scale[0], 0, x], [0, scale[1], y]])


def _paste(pixels: Pixels, at: tuple[int, int], size: tuple[int, int]) -> Pixels:
    """Pixels on a canvas of width and height `size`, their corner at x, y; the rest is PADDING."""
    width, height = size
    canvas = np.full((height, width, 3), PADDING, np.uint8)
    x1, y1 = max(0, at[0]), max(0, at[1])
    x2, y2 = min(width, at[0] + pixels.shape[1]), min(height, at[1] + pixels.shape[0])
    if x1 < x2 and y1 < y2:
        canvas[y1:y2, x1:x2] = pixels[y1 - at[1] : y2 - at[1], x1 - at[0] : x2 - at[0]]
    return canvas
