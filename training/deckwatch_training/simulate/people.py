"""People in oilskins: bones from joint to joint, drawn as rounded limbs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate.camera import Camera
from deckwatch_training.simulate.shapes import SHIFT, fixed

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]
Colour = tuple[float, float, float]

_OILSKINS: tuple[Colour, ...] = (
    (232, 112, 30), (238, 196, 40), (226, 92, 40), (44, 88, 70), (60, 74, 110), (226, 140, 40),
)  # fmt: skip
_BOOTS: tuple[Colour, ...] = ((228, 226, 216), (60, 64, 58), (40, 42, 46), (196, 120, 50))
_GLOVES: tuple[Colour, ...] = ((226, 226, 220), (60, 110, 180), (236, 130, 40), (60, 150, 90))
_SKIN: tuple[Colour, ...] = ((198, 150, 120), (150, 104, 76), (110, 74, 54))
_HATS: tuple[Colour, ...] = ((238, 196, 40), (40, 50, 80), (190, 40, 40), (210, 210, 206))
# Around half a disc.
_ARC = np.linspace(-np.pi / 2, np.pi / 2, 9)
_UP = np.array((0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Person:
    """Limbs from joint to joint, ends [L, 2, 3] in metres, with a radius at each, radii [L, 2]."""

    ends: Array
    radii: Array
    colours: tuple[Colour, ...]


def stand(rng: np.random.Generator, at: Array, facing: float, reach: Array | None) -> Person:
    """Somebody standing at `at` (x, y), turned to `facing`, both hands at `reach` where given."""
    suit, boots, gloves, skin, hat = (
        each[int(rng.integers(len(each)))] for each in (_OILSKINS, _BOOTS, _GLOVES, _SKIN, _HATS)
    )
    trousers = suit if rng.random() < 0.6 else _OILSKINS[int(rng.integers(len(_OILSKINS)))]
    ahead = np.array((np.sin(facing), np.cos(facing), 0.0))
    aside = np.array((np.cos(facing), -np.sin(facing), 0.0))
    foot = np.array((*at, 0.0))
    # Bent forward over the catch, or upright.
    lean = float(rng.uniform(0.35, 0.6)) if reach is not None else float(rng.uniform(0.0, 0.15))
    hip = foot + _UP * (0.88 - 0.25 * lean) - ahead * 0.25 * lean
    neck = hip + 0.5 * (_UP * np.cos(lean * 1.9) + ahead * np.sin(lean * 1.9))
    head = neck + _UP * 0.15 + ahead * (0.06 + 0.1 * lean)
    limbs: list[tuple[Array, Array, float, float, Colour]] = []
    for side, stride, swing, fall in zip(
        (-1.0, 1.0), rng.normal(0, 0.12, 2), rng.uniform(0.1, 0.35, 2), rng.uniform(0.3, 0.5, 2),
        strict=True,
    ):  # fmt: skip
        sole = foot + aside * side * 0.14 + ahead * stride + _UP * 0.05
        knee = (sole + hip) / 2 + ahead * (0.06 + 0.2 * lean)
        shoulder = neck + aside * side * 0.17 - _UP * 0.04
        hand = shoulder + ahead * swing - _UP * fall
        if reach is not None:
            far = reach + aside * side * 0.12 + _UP * 0.08 - shoulder
            # An arm is not longer than that.
            hand = shoulder + far * min(1.0, 0.68 / float(np.linalg.norm(far)))
        elbow = (shoulder + hand) / 2 + aside * side * 0.1 - _UP * 0.03
        limbs += [
            (sole, sole + ahead * 0.16, 0.055, 0.05, boots),
            (sole, knee, 0.062, 0.075, boots),
            (knee, hip + aside * side * 0.09, 0.085, 0.1, trousers),
            (hip + aside * side * 0.07, neck + aside * side * 0.1, 0.11, 0.11, suit),
            (shoulder, elbow, 0.07, 0.055, suit),
            (elbow, hand, 0.055, 0.042, suit),
            (hand, hand + (hand - elbow) * 0.2, 0.045, 0.04, gloves),
        ]
    limbs += [
        (hip, neck - _UP * 0.03, 0.16, 0.165, suit),
        (head - _UP * 0.02, head + ahead * 0.03, 0.09, 0.09, skin),
        (head + _UP * 0.06 - ahead * 0.02, head + _UP * 0.07 + ahead * 0.02, 0.095, 0.095, hat),
    ]
    return Person(
        np.array([(a, b) for a, b, _, _, _ in limbs]),
        np.array([(a, b) for _, _, a, b, _ in limbs]),
        tuple(colour for *_, colour in limbs),
    )


@dataclass(frozen=True)
class Figure:
    """A person as seen: polygons of the limbs in fixed-point pixels, the farthest first."""

    outer: NDArray[np.int32]
    inner: NDArray[np.int32]
    colours: tuple[Colour, ...]

    def mask(self, height: int, width: int) -> Pixels:
        """255 where the figure hides what is behind it."""
        mask = np.zeros((height, width), np.uint8)
        for points in self.outer:
            cv2.fillConvexPoly(mask, points, (255,), cv2.LINE_AA, SHIFT)
        return mask

    def draw(self, canvas: Pixels) -> None:
        """Paint the limbs, rounded by shading."""
        for outer, inner, colour in zip(self.outer, self.inner, self.colours, strict=True):
            cv2.fillConvexPoly(canvas, outer, [c * 0.66 for c in colour], cv2.LINE_AA, SHIFT)
            cv2.fillConvexPoly(canvas, inner, colour, cv2.LINE_AA, SHIFT)


def figure(person: Person, camera: Camera) -> Figure | None:
    """What the camera sees of a person; None where a limb is at the lens or behind it."""
    depths = camera.depth(person.ends)
    if depths.min() < 0.3:
        return None
    order = np.argsort(-depths.mean(1), kind="stable")
    ends = camera.project(person.ends)[order]
    radii = (person.radii * camera.focal / depths)[order]
    light = np.array((-0.16, -0.2)) * radii.mean(1)[:, None, None]
    colours = tuple(person.colours[i] for i in order)
    return Figure(fixed(_capsules(ends, radii)), fixed(_capsules(ends + light, radii * 0.72)),
                  colours)  # fmt: skip


def _capsules(ends: Array, radii: Array) -> Array:
    """The outlines of pairs of discs, [L, 18, 2]."""
    way = ends[:, 1] - ends[:, 0]
    # Seen along the bone one disc hides the other: that one alone is drawn.
    hidden = np.hypot(way[:, 0], way[:, 1]) <= np.abs(radii[:, 1] - radii[:, 0])
    larger = radii.argmax(1)
    rows = np.arange(len(ends))
    ends = np.where(hidden[:, None, None], ends[rows, larger][:, None], ends)
    radii = np.where(hidden[:, None], radii.max(1)[:, None], radii)
    angle = np.arctan2(way[:, 1], way[:, 0])[:, None] + _ARC
    arc = np.stack((np.cos(angle), np.sin(angle)), -1)
    first = ends[:, 1, None] + radii[:, 1, None, None] * arc
    second = ends[:, 0, None] - radii[:, 0, None, None] * arc
    found: Array = np.concatenate((first, second), 1)
    return found
