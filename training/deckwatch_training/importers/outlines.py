"""Boxes round what labelling tools draw: turned rectangles, ellipses, polygons.

Coordinates in pixels, angles clockwise in degrees, as the tools give them. A data set's boxes are
upright, so each is the smallest upright box round the outline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deckwatch_training.catalogue import Box

Point = tuple[float, float]


def around(label: str, points: Sequence[Point]) -> Box:
    """The smallest upright box round points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(label, min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def rectangle(
    label: str, x: float, y: float, width: float, height: float, angle: float, pivot: Point
) -> Box:
    """The box round a rectangle turned by `angle` about `pivot`."""
    if not angle % 360:
        return Box(label, x, y, width, height)
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    return around(label, [_turned(each, angle, pivot) for each in corners])


def ellipse(label: str, centre: Point, across: float, down: float, angle: float) -> Box:
    """The box round an ellipse with these two radii, turned about its centre."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    half_width = math.hypot(across * cosine, down * sine)
    half_height = math.hypot(across * sine, down * cosine)
    x, y = centre
    return Box(label, x - half_width, y - half_height, 2 * half_width, 2 * half_height)


def _turned(point: Point, angle: float, pivot: Point) -> Point:
    # y points down, so the usual formula turns clockwise.
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x, y = point[0] - pivot[0], point[1] - pivot[1]
    return pivot[0] + x * cosine - y * sine, pivot[1] + x * sine + y * cosine
