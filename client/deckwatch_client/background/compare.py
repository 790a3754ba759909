"""Whether a picture looks as its camera's background does, and where.

Two questions, in this order. Does the camera still look the same way? The gradients of both
pictures are laid over each other (normalised cross-correlation); a small shift is made good, and
where they do not agree the background is not used. Then, pixel by pixel, is anything different? The
structure of the neighbourhood has to agree (contrast and structure of SSIM, Wang et al. 2004, which
ask nothing about brightness), and so has the colour, once the light is made alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from deckwatch_client.background.store import LONGEST, Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Plane = NDArray[np.float32]
    Mask = NDArray[np.bool_]

# Gradients are compared on pictures this wide or high, shifted by at most `FARTHEST` of them.
COARSE, FARTHEST = 160, 12
# The least correlation of gradients at which two pictures show the same view. On 12 simulated
# cameras their own pictures reached 0.58 at the worst, those of other cameras 0.42 at the best.
SAME_VIEW = 0.5
# Likewise where they agree only when shifted: planks repeat themselves, and a camera that turned
# far would be taken for one that turned a little.
SHIFTED_VIEW = 0.65
# Sides of pictures of one camera differ by no more than rounding where only their scale differs.
_SAME_SHAPE = 0.01
# Pixels of the square whose structure is compared, and the contrast of noise there, squared.
WINDOW, NOISE = 5, 100.0
# A pixel looks the same from this structure on, and up to this difference of colour (of 255).
STRUCTURE, COLOUR = 0.6, 50.0
# Contrast that plain paint and noise count for, where a box's pixels are weighed.
_PLAIN = 8.0
# Width of the grid on which the light of two pictures is made alike, by medians over five cells:
# a fish is smaller than these.
_LIGHT, _CELLS = 40, 5


@dataclass(frozen=True)
class Match:
    """A background that fits a picture, and where the picture looks as it does.

    lit: the background's picture [h,w,3], shifted and lit as the picture is; same: [h,w];
    weight: [h,w], how much there is to be seen; full: width and height of the picture.
    """

    background: Background
    lit: Pixels
    same: Mask
    weight: Plane
    full: tuple[int, int]

    def unchanged(self, box: tuple[float, float, float, float]) -> float:
        """The share of a box (x1 y1 x2 y2 in pixels of the picture) that looks the same, 0 to 1.

        Pixels count by the contrast around them, in the picture or in the background: the plain
        deck beside a fish in its box says little about the fish.
        """
        height, width = self.same.shape
        across, down = width / self.full[0], height / self.full[1]
        rows = slice(max(0, int(box[1] * down)), int(np.ceil(box[3] * down)))
        columns = slice(max(0, int(box[0] * across)), int(np.ceil(box[2] * across)))
        weight = self.weight[rows, columns]
        if not weight.size:
            return 0.0
        return float(weight[self.same[rows, columns]].sum() / weight.sum())


class View:
    """A background ready to be compared with."""

    def __init__(self, background: Background) -> None:
        self.background = background
        self.edges = gradients(background.picture)


def best_match(pixels: Pixels, views: Iterable[View]) -> Match | None:
    """The background that a picture [H,W,3] agrees with most; None where it agrees with none."""
    height, width = pixels.shape[:2]
    shrunk = small(pixels)
    edges = gradients(shrunk)
    found, best, shift = None, SAME_VIEW, (0, 0)
    for view in views:
        correlation, apart = alike(edges, view.edges)
        enough = SAME_VIEW if apart == (0, 0) else SHIFTED_VIEW
        if correlation < enough or not same_shape((width, height), view.background.size):
            continue
        if found is None or correlation > best:
            found, best, shift = view, correlation, apart
    if found is None:
        return None
    return _compared(shrunk, found.background, shift, (width, height))


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes (width, height) differ by their scale alone."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _SAME_SHAPE


def small(pixels: Pixels) -> Pixels:
    """A picture [H,W,3] at the scale of backgrounds: no side longer than `LONGEST`."""
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return pixels
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def gradients(pixels: Pixels) -> Plane:
    """Directions and strength of the edges of a picture, [h,w,2], longest side `COARSE`.

    Strong edges count little more than weak ones, so that light matters little.
    """
    height, width = pixels.shape[:2]
    scale = COARSE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    strength = np.sqrt(across * across + down * down) + 20
    return np.dstack((across / strength, down / strength))


def alike(one: Plane, other: Plane) -> tuple[float, tuple[int, int]]:
    """Correlation of two pictures' `gradients`, -1 to 1, and by how much the first is shifted.

    The shift is x and y in pixels of `gradients`. Pictures of other shapes are not alike: -1.
    """
    if one.shape != other.shape:
        return -1.0, (0, 0)
    edge = min(FARTHEST, min(one.shape[:2]) // 4)
    middle = np.ascontiguousarray(one[edge:-edge, edge:-edge])
    found = cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED)
    _, best, _, at = cv2.minMaxLoc(found)
    # Where one of them has no edges at all, OpenCV gives what is no number.
    return (float(best) if np.isfinite(best) else -1.0), (edge - at[0], edge - at[1])


def _compared(
    picture: Pixels, view: Background, shift: tuple[int, int], full: tuple[int, int]
) -> Match:
    height, width = view.picture.shape[:2]
    if picture.shape != view.picture.shape:
        picture = np.asarray(cv2.resize(picture, (width, height)), np.uint8)
    seen = _shifted(view.picture, shift)
    lit = relit(seen, picture)
    one, other = (
        cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (picture, seen)
    )
    (mean_one, spread_one), (mean_other, spread_other) = _moments(one), _moments(other)
    together = _mean(one * other) - mean_one * mean_other
    structure = (2 * together + 2 * NOISE) / (spread_one + spread_other + 2 * NOISE)
    weight = np.sqrt(np.maximum(spread_one, spread_other)) + _PLAIN
    red, green, blue = cv2.split(cv2.absdiff(picture, lit))
    near = cv2.max(cv2.max(red, green), blue) < COLOUR
    return Match(view, lit, (structure > STRUCTURE) & near, weight, full)


def _mean(plane: Plane) -> Plane:
    return np.asarray(cv2.blur(plane, (WINDOW, WINDOW)), np.float32)


def _moments(plane: Plane) -> tuple[Plane, Plane]:
    """Mean and variance around each pixel."""
    mean = _mean(plane)
    squares = cv2.sqrBoxFilter(plane, cv2.CV_32F, (WINDOW, WINDOW))
    return mean, np.asarray(np.maximum(squares - mean * mean, 0), np.float32)


def _shifted(pixels: Pixels, shift: tuple[int, int]) -> Pixels:
    """A background moved by a shift in pixels of `gradients`; its edges are repeated."""
    if shift == (0, 0):
        return pixels
    height, width = pixels.shape[:2]
    scale = max(height, width) / COARSE
    matrix = np.array([[1, 0, shift[0] * scale], [0, 1, shift[1] * scale]], np.float32)
    moved = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def relit(pixels: Pixels, like: Pixels) -> Pixels:
    """A picture [h,w,3] in the light of another of its size, shadows and lamps included."""
    height, width = pixels.shape[:2]
    grid = (_LIGHT, max(1, round(_LIGHT * height / width)))
    one, other = (
        cv2.resize(each, grid, interpolation=cv2.INTER_AREA).astype(np.float32) + 8
        for each in (like, pixels)
    )
    gain = cv2.medianBlur(cv2.medianBlur(one / other, _CELLS), _CELLS)
    light = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(pixels, light, dtype=cv2.CV_8U), np.uint8)
