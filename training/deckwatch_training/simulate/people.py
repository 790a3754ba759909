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


@dataclass(frozen=True)
class Limb:
    """From one joint to another (metres), with a radius at each."""

    ends: Array
    radii: tuple[float, float]
    colour: Colour


def person(rng: np.random.Generator, at: Array, facing: float, reach: Array | None) -> list[Limb]:
    """Somebody standing at `at` (x, y), turned to `facing`, a hand at `reach` where given."""
    suit, boots, gloves, skin, hat = (
        each[int(rng.integers(len(each)))] for each in (_OILSKINS, _BOOTS, _GLOVES, _SKIN, _HATS)
    )
    trousers = suit if rng.random() < 0.6 else _OILSKINS[int(rng.integers(len(_OILSKINS)))]
    ahead = np.array((np.sin(facing), np.cos(facing), 0.0))
    aside = np.array((np.cos(facing), -np.sin(facing), 0.0))
    foot, up = np.array((*at, 0.0)), np.array((0.0, 0.0, 1.0))
    # Bent forward over the catch, or upright.
    lean = float(rng.uniform(0.35, 0.6)) if reach is not None else float(rng.uniform(0.0, 0.15))
    hip = foot + up * (0.88 - 0.25 * lean) - ahead * 0.25 * lean
    neck = hip + up * 0.55 * np.cos(lean * 1.9) + ahead * 0.55 * np.sin(lean * 1.9)
    head = neck + up * 0.14 + ahead * (0.06 + 0.1 * lean)
    limbs = []
    for side in (-1.0, 1.0):
        step = aside * side * 0.14 + ahead * float(rng.normal(0, 0.12))
        sole = foot + step + up * 0.05
        knee = (sole + hip) / 2 + ahead * (0.06 + 0.2 * lean)
        thigh = hip + aside * side * 0.1
        limbs.append(Limb(np.stack((sole, sole + ahead * 0.16)), (0.055, 0.05), boots))
        limbs.append(Limb(np.stack((sole, knee)), (0.062, 0.075), boots))
        limbs.append(Limb(np.stack((knee, thigh)), (0.085, 0.11), trousers))
        shoulder = neck + aside * side * 0.19 - up * 0.05
        hand = shoulder + ahead * rng.uniform(0.1, 0.35) - up * rng.uniform(0.3, 0.5)
        if reach is not None:
            hand = reach + aside * side * 0.12 + up * 0.08
            far = hand - shoulder
            hand = shoulder + far * min(1.0, 0.68 / float(np.linalg.norm(far)))
        elbow = (shoulder + hand) / 2 + aside * side * 0.1 - up * 0.03
        limbs.append(Limb(np.stack((shoulder, elbow)), (0.075, 0.06), suit))
        limbs.append(Limb(np.stack((elbow, hand)), (0.06, 0.045), suit))
        limbs.append(Limb(np.stack((hand, hand + (hand - elbow) * 0.2)), (0.048, 0.045), gloves))
    limbs.append(Limb(np.stack((hip, neck)), (0.17, 0.19), suit))
    limbs.append(Limb(np.stack((head - up * 0.02, head + ahead * 0.04)), (0.1, 0.1), skin))
    limbs.append(Limb(np.stack((head + up * 0.06, head + up * 0.07)), (0.11, 0.1), hat))
    return limbs


def outline(limbs: list[Limb], camera: Camera) -> list[NDArray[np.int32]]:
    """The outer polygon of each limb that is before the camera, the farthest first."""
    return [points for points, _, _ in _seen(limbs, camera)]


def draw(canvas: Pixels, limbs: list[Limb], camera: Camera) -> None:
    """Paint the limbs, rounded by shading."""
    for outer, inner, colour in _seen(limbs, camera):
        cv2.fillConvexPoly(canvas, outer, [c * 0.62 for c in colour], cv2.LINE_AA, SHIFT)
        cv2.fillConvexPoly(canvas, inner, colour, cv2.LINE_AA, SHIFT)


def _seen(
    limbs: list[Limb], camera: Camera
) -> list[tuple[NDArray[np.int32], NDArray[np.int32], Colour]]:
    depths = [camera.depth(limb.ends) for limb in limbs]
    found = []
    for i in sorted(range(len(limbs)), key=lambda i: -float(depths[i].mean())):
        if depths[i].min() < 0.25:
            continue
        places = camera.project(limbs[i].ends)
        radii = np.array(limbs[i].radii) * camera.focal / depths[i]
        light = np.array((-0.16, -0.2)) * radii.mean()
        outer, inner = _capsule(places, radii), _capsule(places + light, radii * 0.72)
        found.append((fixed(outer), fixed(inner), limbs[i].colour))
    return found


def _capsule(ends: Array, radii: Array) -> Array:
    """The hull of two discs."""
    way = ends[1] - ends[0]
    angle = float(np.arctan2(way[1], way[0]))
    half = np.linspace(-np.pi / 2, np.pi / 2, 9)
    far, near = angle + half, angle + np.pi + half
    first = ends[1] + radii[1] * np.stack((np.cos(far), np.sin(far)), 1)
    second = ends[0] + radii[0] * np.stack((np.cos(near), np.sin(near)), 1)
    points = np.concatenate((first, second)).astype(np.float32)
    hull: Array = cv2.convexHull(points)[:, 0].astype(np.float64)
    return hull
