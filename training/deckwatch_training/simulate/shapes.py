"""Curves and textures that everything is drawn with."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Mask = NDArray[np.uint8]
Plane = NDArray[np.float32]
# Polygons are drawn with four fractional bits, so that edges move smoothly.
SHIFT = 4


def chaikin(
    points: Sequence[Sequence[float]] | Points, times: int = 2, closed: bool = True
) -> Points:
    """Round a polygon or a line by cutting its corners (Chaikin, 1974); [N, 2]."""
    found = np.asarray(points, np.float64)
    for _ in range(times):
        after = np.roll(found, -1, 0) if closed else found[1:]
        before = found if closed else found[:-1]
        cut = np.stack((0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after), 1)
        inner = cut.reshape(-1, 2)
        found = inner if closed else np.concatenate((found[:1], inner, found[-1:]))
    return found


def fixed(points: Points) -> NDArray[np.int32]:
    """Pixels as the fixed-point numbers that OpenCV's drawing takes."""
    found: NDArray[np.int32] = np.round(points * (1 << SHIFT)).astype(np.int32)
    return found


def polygon(height: int, width: int, points: Points) -> Mask:
    """An anti-aliased polygon, 0 to 255."""
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [fixed(points)], (255,), cv2.LINE_AA, SHIFT)
    return mask


def clouds(rng: np.random.Generator, height: int, width: int, cells: Sequence[int]) -> Plane:
    """Smooth noise of mean 0 and deviation about 1: one octave for each number of cells across."""
    total = np.zeros((height, width), np.float32)
    for i, across in enumerate(cells):
        down = max(2, round(across * height / width))
        coarse = rng.standard_normal((down, max(2, across)), np.float32) * 0.6**i
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def gradient(stops: Sequence[tuple[float, Sequence[float]]], where: Plane) -> Plane:
    """Colours [..., 3] interpolated between (position ascending, colour) stops."""
    places = [stop[0] for stop in stops]
    # A table is looked up instead of interpolating each pixel: ten times as fast.
    table = np.linspace(places[0], places[-1], 256)
    colours = np.stack(
        [np.interp(table, places, [stop[1][i] for stop in stops]) for i in range(3)], 1
    ).astype(np.float32)
    index = (where - places[0]) * (255 / (places[-1] - places[0]))
    return colours[np.clip(index, 0, 255).astype(np.uint8)]
