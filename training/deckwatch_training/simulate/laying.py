"""Lays fish on the deck of a picture, in perspective, and keeps account of what is seen of each."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate.camera import Camera
from deckwatch_training.simulate.fish import HALF, LEFT, Sprite, sprite
from deckwatch_training.simulate.scenes import Fish, Frame
from deckwatch_training.simulate.shapes import Points
from deckwatch_training.simulate.vessels import Vessel

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Window = tuple[slice, slice]
# A pixel shows a fish where it covers more than this of it, 0 to 255.
COVERED = 110
# Shares of a fish that the frame, further fish and people must leave in sight.
IN_FRAME, UNDER_FISH, UNDER_PEOPLE = 0.55, 0.5, 0.3
# Its area is at least that of a square with this share of the picture's width as its side.
SMALLEST = 0.03


@dataclass(frozen=True)
class Laid:
    """A fish in the picture: pixels that it covered when it was laid, and its middle."""

    fish: Fish
    area: int
    middle: Points


class Layer:
    """The picture in the making. owner: which fish each pixel shows, 0 none, else its number."""

    def __init__(self, canvas: Pixels, floor: NDArray[np.bool_]):
        self.canvas = canvas
        self.floor = floor
        self.owner = np.zeros(canvas.shape[:2], np.uint8)
        self.laid: list[Laid] = []

    def lay(self, seed: int, vessel: Vessel, frame: Frame, number: int) -> None:
        """Lay fish `number` of the scene where it can be seen; without room it is left out."""
        fish = frame.scene.fish[number]
        rng = np.random.default_rng((*frame.scene.key, 10, number))
        camera = vessel.camera
        # The pictures of a burst show the same fish, dragged on a little.
        drag = rng.normal(0, 0.012, 2) * frame.number
        painted = sprite(seed, vessel.index, fish.species, fish.individual, fineness(camera))
        shares = np.vstack((fish.at, rng.uniform((0.08, 0.12), (0.92, 0.95), (7, 2))))
        places = np.asarray(shares * (camera.width, camera.height_px), np.float64)
        for pixel, spot in zip(places, camera.on_deck(places), strict=True):
            if not self.floor[int(pixel[1]), int(pixel[0])]:
                continue
            place = onto_deck(camera, painted, fish, spot + drag)
            if place is not None and self._stamp(fish, painted, place):
                return

    def _stamp(self, fish: Fish, painted: Sprite, matrix: Matrix) -> bool:
        """Paint a fish and its shadow; False, and nothing painted, where it would be hidden."""
        warped = warp(painted, matrix, self.canvas.shape)
        if warped is None:
            return False
        window, layer, whole = warped
        alpha = layer[..., 3]
        mine = alpha > COVERED
        area = int(np.count_nonzero(mine))
        if area < max((SMALLEST * self.canvas.shape[1]) ** 2, IN_FRAME * whole):
            return False
        held = self.owner[window]
        if self.laid and held.any():
            before = np.bincount(self.owner.ravel(), minlength=len(self.laid) + 1)
            lost = np.bincount(held[mine], minlength=len(self.laid) + 1)
            for k, other in enumerate(self.laid, start=1):
                if before[k] - lost[k] < UNDER_FISH * other.area:
                    return False
        paint(self.canvas[window], layer, fish.shade)
        middle = matrix @ _middle(painted)
        self.laid.append(Laid(fish, area, middle[:2] / middle[2]))
        held[mine] = len(self.laid)
        return True

    def hide(self, mask: Pixels) -> bool:
        """Whether somebody may stand there; if so, the fish behind are hidden from now on."""
        hidden = mask > COVERED
        left = np.bincount(self.owner[~hidden], minlength=len(self.laid) + 1)
        if any(left[k] < UNDER_PEOPLE * each.area for k, each in enumerate(self.laid, start=1)):
            return False
        self.owner[hidden] = 0
        return True


def fineness(camera: Camera) -> int:
    """Pixels that fish are painted long: a power of two, so that few sizes are kept.

    At most 512: larger ones would show no more, and 49 of them fill the memory.
    """
    scale = 64
    while scale < min(512, camera.width * 0.4):
        scale *= 2
    return scale


def _middle(painted: Sprite) -> NDArray[np.float64]:
    return np.array(((0.5 - LEFT) * painted.scale, HALF * painted.scale, 1.0))


def onto_deck(
    camera: Camera, painted: Sprite, fish: Fish, spot: NDArray[np.float64]
) -> Matrix | None:
    """Homography [3, 3] from the sprite's first level to the picture; None behind the camera."""
    metres = painted.length * fish.size / painted.scale
    flip = -1.0 if fish.mirrored else 1.0
    c, s = metres * np.cos(fish.turn), metres * np.sin(fish.turn)
    turned = np.array(((c, flip * s, spot[0]), (s, -flip * c, spot[1]), (0, 0, 1)))
    x, y, _ = _middle(painted)
    found: Matrix = camera.deck @ turned @ np.array(((1, 0, -x), (0, 1, -y), (0, 0, 1)))
    height, width = painted.levels[0].shape[:2]
    corners = np.array(((0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)), float)
    return found if float((corners @ found[2]).min()) > 0.3 else None


def warp(
    painted: Sprite, matrix: Matrix, shape: tuple[int, ...]
) -> tuple[Window, Pixels, float] | None:
    """Where a sprite falls in a picture, its premultiplied RGBA there, and its whole area.

    The area is in pixels, as if the frame were larger. None where it is out of the picture.
    """
    height, width = painted.levels[0].shape[:2]
    corners = np.array(((0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)), float)
    seen = corners @ matrix.T
    places = seen[:, :2] / seen[:, 2:]
    window = window_of(places, shape)
    if window is None:
        return None
    sides = np.linalg.norm(places - np.roll(places, 1, 0), axis=1)
    # The level that is nearest above the size at which it is seen.
    ratio = max(1.0, width / max(1.0, float(sides[[1, 3]].max())))
    level = min(int(np.log2(ratio)), len(painted.levels) - 1)
    image = painted.levels[level]
    down = np.diag((width / image.shape[1], height / image.shape[0], 1.0))
    shift = np.array(((1, 0, -window[1].start), (0, 1, -window[0].start), (0, 0, 1)), float)
    place = shift @ matrix @ down
    size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
    layer = cv2.warpPerspective(image, place, size, flags=cv2.INTER_LINEAR)
    middle = matrix[2] @ _middle(painted)
    # Area scales with the determinant over the cube of the depth.
    scale = abs(float(np.linalg.det(matrix))) / float(middle) ** 3
    return window, np.asarray(layer, np.uint8), painted.area * scale


def paint(part: Pixels, layer: Pixels, shade: float) -> None:
    """Put a warped sprite over a part of a picture, with a soft shadow to its lower right."""
    alpha = layer[..., 3]
    offset = max(1, round(part.shape[1] / 60))
    cast = cv2.blur(np.roll(alpha, (offset, offset), (0, 1)), (2 * offset + 1,) * 2)
    dark = cv2.merge([cv2.convertScaleAbs(cast, alpha=-0.5, beta=255)] * 3)
    lit = cv2.multiply(part, dark, scale=1 / 255)
    keep = cv2.merge([cv2.bitwise_not(alpha)] * 3)
    fishy = cv2.convertScaleAbs(layer[..., :3], alpha=shade)
    part[:] = cv2.add(cv2.multiply(lit, keep, scale=1 / 255), fishy)


def window_of(points: Points, shape: tuple[int, ...], margin: int = 2) -> Window | None:
    """The rows and columns that points [N, 2] span within a picture; None outside it."""
    low = np.maximum(np.floor(points.min(0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + margin + 1, (shape[1], shape[0]))
    if (high - low).min() < 2:
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
