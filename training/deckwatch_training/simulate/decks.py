"""The empty deck of a vessel by day: sea, deck, bulwark, hatch and gear; painted once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate.camera import Camera
from deckwatch_training.simulate.shapes import SHIFT, Plane, clouds, fixed
from deckwatch_training.simulate.vessels import Colour, Vessel

Pixels = NDArray[np.uint8]
# Painted at twice the size and scaled down: far planks would alias.
FINER = 2


@dataclass(frozen=True)
class Deck:
    """pixels: RGB [H, W, 3]; floor: where the deck itself is seen, bool [H, W]."""

    pixels: Pixels
    floor: NDArray[np.bool_]


def paint(vessel: Vessel, rng: np.random.Generator) -> Deck:
    """The vessel's empty deck."""
    small = vessel.camera
    size = (small.width * FINER, small.height_px * FINER)
    camera = Camera(*size, small.height, small.pitch, small.yaw, small.roll, small.view)
    canvas = _sea(camera, rng)
    floor = _floor(canvas, camera, vessel, rng)
    _bulwark(canvas, floor, camera, vessel, rng)
    _hatch(canvas, floor, camera, vessel, rng)
    for _ in range(int(rng.integers(3, 7))):
        _gear(canvas, floor, camera, vessel, rng)
    canvas = _weathered(canvas, rng)
    to = (small.width, small.height_px)
    pixels = cv2.resize(canvas, to, interpolation=cv2.INTER_AREA)
    left = cv2.resize(floor, to, interpolation=cv2.INTER_AREA) > 200
    return Deck(np.asarray(pixels, np.uint8), left)


def _weathered(canvas: Pixels, rng: np.random.Generator) -> Pixels:
    """Grime and salt over everything: nothing on a vessel is of one colour."""
    height, width = canvas.shape[:2]
    tone = 1 + 0.04 * clouds(rng, height, width, (7, 40, 160))
    return np.asarray(np.clip(canvas * tone[..., None], 0, 255), np.uint8)


def _sea(camera: Camera, rng: np.random.Generator) -> Pixels:
    height, width = camera.height_px, camera.width
    shade = rng.uniform(0.8, 1.15)
    sea = np.array((58, 86, 104)) * shade
    waves = clouds(rng, height, width, (8, 24))
    waves += cv2.resize(clouds(rng, height * 4 // 3, width // 3, (24,)), (width, height))
    canvas = sea.astype(np.float32) + (waves * 8)[..., None]
    # Above the horizon the line of sight rises.
    ahead = camera.axes
    horizon = camera.height_px / 2 - camera.focal * np.tan(camera.pitch)
    sky = np.arange(height)[:, None] < horizon + np.zeros((1, width)) * ahead[0, 0]
    canvas[sky] = np.array((196, 206, 212)) * shade
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


def _texture(vessel: Vessel, side: int, metres: float, rng: np.random.Generator) -> Plane:
    """The deck from above, [side, side, 3] of `metres` by `metres`."""
    tone = 1 + 0.07 * clouds(rng, side, side, (5, 17, 60))
    scale = side / metres
    place = np.arange(side, dtype=np.float32) / scale
    if vessel.deck == "planks":
        board = float(rng.uniform(0.1, 0.2))
        index = (place / board).astype(int)
        tones = rng.normal(1, 0.09, index.max() + 1).astype(np.float32)
        grain = cv2.resize(rng.standard_normal((6, side), np.float32), (side, side))
        tone *= tones[index][None, :] * (1 + 0.04 * grain)
        tone *= np.where((place % board) < 0.018, 0.5, 1.0)[None, :]
    elif vessel.deck == "plate":
        step = float(rng.uniform(0.07, 0.12))
        turn = (place[:, None] + place[None, :], place[:, None] - place[None, :])
        stud = np.sin(turn[0] * 6.28 / step) * np.sin(turn[1] * 6.28 / step)
        tone *= 1 + 0.16 * np.clip(stud * 2 - 0.8, 0, 1)
    elif vessel.deck == "mats":
        step = float(rng.uniform(0.5, 0.9))
        hole = np.sin(place * 6.28 / 0.09)
        tone *= 1 - 0.25 * (hole[:, None] * hole[None, :] > 0.2)
        seam = (place % step) < 0.03
        tone *= np.where(seam[:, None] | seam[None, :], 0.55, 1.0)
    elif vessel.deck == "fibreglass":
        step = float(rng.uniform(0.25, 0.5))
        groove = (place % step) < 0.02
        tone *= np.where(groove[:, None] | groove[None, :], 0.86, 1.0)
    rgb = np.array(vessel.colour, np.float32) * tone[..., None]
    # Rust and old paint where the surface is worn.
    worn = np.clip(clouds(rng, side, side, (7, 30, 90)) - 1.35, 0, 1)[..., None]
    rust = np.array((122, 78, 50) if vessel.deck != "planks" else (84, 76, 66), np.float32)
    rgb += worn * (rust - rgb) * 0.8
    for _ in range(int(rng.integers(8, 30))):
        a, b = rng.uniform(0, side, 2), rng.uniform(-0.6, 0.6, 2) * scale
        tint = np.array(vessel.colour) * rng.uniform(0.7, 1.2)
        cv2.line(rgb, a.astype(int).tolist(), (a + b).astype(int).tolist(), tint.tolist(),
                 max(1, round(0.008 * scale)), cv2.LINE_AA)  # fmt: skip
    return rgb


def _floor(canvas: Pixels, camera: Camera, vessel: Vessel, rng: np.random.Generator) -> Pixels:
    """Paint the deck; 255 where it is."""
    # As fine as the nearest part of the deck is seen, and not finer.
    metres = 12.0
    side = int(np.clip(camera.focal / camera.height * metres * 0.8, 128, 1600))
    texture = np.clip(_texture(vessel, side, metres, rng), 0, 255).astype(np.uint8)
    scale = metres / side
    # The texture's middle lies 3 m ahead of the camera.
    place = np.array(((scale, 0, -metres / 2), (0, scale, 3 - metres / 2), (0, 0, 1)))
    to = (camera.width, camera.height_px)
    warped = cv2.warpPerspective(
        texture, camera.deck @ place, to, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    columns, rows = np.meshgrid(np.arange(to[0]) + 0.5, np.arange(to[1]) + 0.5)
    spots = camera.on_deck(np.stack((columns, rows), -1)).astype(np.float32)
    wall = np.minimum(vessel.side - np.abs(spots[..., 0]), vessel.reach - spots[..., 1])
    on = wall > 0
    # Little light comes to the foot of the wall; the far deck mirrors the sky.
    gain = 1 - 0.4 * np.exp(-np.maximum(wall, 0) / 0.16)
    sheen = np.clip(spots[..., 1] / vessel.reach, 0, 1) ** 2 * float(rng.uniform(0, 40))
    shaded = np.clip(warped * gain[..., None] + sheen[..., None], 0, 255)
    canvas[on] = shaded[on].astype(np.uint8)
    return np.asarray(on * np.uint8(255), np.uint8)


def _solid(
    canvas: Pixels, floor: Pixels, camera: Camera, low: tuple[float, float, float],
    high: tuple[float, float, float], colour: Colour,
) -> None:  # fmt: skip
    """A box between two corners, its faces painted from the farthest to the nearest."""
    x, y, z = zip(low, high, strict=True)
    faces = (
        (0.62, [(x[0], y[0], z[0]), (x[0], y[1], z[0]), (x[0], y[1], z[1]), (x[0], y[0], z[1])]),
        (0.7, [(x[1], y[0], z[0]), (x[1], y[1], z[0]), (x[1], y[1], z[1]), (x[1], y[0], z[1])]),
        (0.8, [(x[0], y[0], z[0]), (x[1], y[0], z[0]), (x[1], y[0], z[1]), (x[0], y[0], z[1])]),
        (0.55, [(x[0], y[1], z[0]), (x[1], y[1], z[0]), (x[1], y[1], z[1]), (x[0], y[1], z[1])]),
        (1.0, [(x[0], y[0], z[1]), (x[1], y[0], z[1]), (x[1], y[1], z[1]), (x[0], y[1], z[1])]),
    )
    corners = [(shade, np.array(face)) for shade, face in faces]
    corners.sort(key=lambda each: -float(camera.depth(each[1]).mean()))
    for shade, face in corners:
        if camera.depth(face).min() < 0.1:
            continue
        points = fixed(camera.project(face))
        cv2.fillPoly(canvas, [points], [c * shade for c in colour], cv2.LINE_AA, SHIFT)
        cv2.fillPoly(floor, [points], (0,), cv2.LINE_AA, SHIFT)


def _bulwark(
    canvas: Pixels, floor: Pixels, camera: Camera, vessel: Vessel, rng: np.random.Generator
) -> None:
    """The wall round the deck, with a rail on posts."""
    x, y, high = vessel.side, vessel.reach, float(rng.uniform(0.45, 0.95))
    _solid(canvas, floor, camera, (-x - 0.12, y, 0), (x + 0.12, y + 0.12, high), vessel.hull)
    # In pieces: those beside and behind the camera cannot be projected.
    pieces = np.linspace(y, -2, 15)
    for side in (-x - 0.12, x):
        for far, near in pairwise(pieces.tolist()):
            low, top = (side, near, 0.0), (side + 0.12, far, high)
            _solid(canvas, floor, camera, low, top, vessel.hull)
    rail = (*(c * 0.9 + 20 for c in vessel.hull),)
    for bar in (high + 0.18, high + 0.36)[: int(rng.integers(0, 3))]:
        ends = np.array(((-x, y + 0.06, bar), (x, y + 0.06, bar)))
        _bar(canvas, camera, ends, 0.025, rail)
        for post in np.linspace(-x, x, 7):
            ends = np.array(((post, y + 0.06, high), (post, y + 0.06, bar)))
            _bar(canvas, camera, ends, 0.02, rail)


def _bar(
    canvas: Pixels, camera: Camera, ends: NDArray[np.float64], radius: float,
    colour: tuple[float, ...],
) -> None:  # fmt: skip
    thick = max(1, round(2 * radius * camera.focal / max(0.5, float(camera.depth(ends).mean()))))
    a, b = fixed(camera.project(ends)).tolist()
    cv2.line(canvas, a, b, [c * 0.7 for c in colour], thick, cv2.LINE_AA, SHIFT)
    cv2.line(canvas, a, b, colour, max(1, thick // 2), cv2.LINE_AA, SHIFT)


def _hatch(
    canvas: Pixels, floor: Pixels, camera: Camera, vessel: Vessel, rng: np.random.Generator
) -> None:
    """The lid of the fish hold, low on the deck at one side."""
    if rng.random() < 0.25:
        return
    wide, deep = rng.uniform(0.8, 1.4, 2)
    side = 1.0 if rng.random() < 0.5 else -1.0
    x, y = side * vessel.side * rng.uniform(0.45, 0.8), vessel.reach * rng.uniform(0.5, 0.8)
    colour = (*(np.array(vessel.hull) * rng.uniform(0.8, 1.05)).tolist(),)
    low, high = (x - wide / 2, y - deep / 2, 0.0), (x + wide / 2, y + deep / 2, 0.22)
    _solid(canvas, floor, camera, low, high, colour)
    inner = (x - wide * 0.42, y - deep * 0.42, 0.22), (x + wide * 0.42, y + deep * 0.42, 0.24)
    _solid(canvas, floor, camera, *inner, (*(c * 0.86 for c in colour),))


_PAINTS: tuple[Colour, ...] = (
    (60, 110, 170), (210, 210, 204), (200, 120, 40), (60, 130, 90), (170, 50, 44), (90, 94, 98),
    (226, 196, 60), (40, 44, 50),
)  # fmt: skip


def _gear(
    canvas: Pixels, floor: Pixels, camera: Camera, vessel: Vessel, rng: np.random.Generator
) -> None:
    """A crate, a buoy or a coil of rope, mostly along the sides."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    x = side * vessel.side * rng.uniform(0.6, 0.92)
    y = rng.uniform(0.2, vessel.reach * 0.92)
    if rng.random() < 0.25:
        x, y = rng.uniform(-0.8, 0.8) * vessel.side, vessel.reach * rng.uniform(0.86, 0.95)
    colour = _PAINTS[int(rng.integers(len(_PAINTS)))]
    what = rng.random()
    if what < 0.45:
        half, high = rng.uniform(0.16, 0.36, 2), float(rng.uniform(0.15, 0.55))
        low = (x - half[0], y - half[1], 0.0)
        _solid(canvas, floor, camera, low, (x + half[0], y + half[1], high), colour)
    elif what < 0.75:
        radius = float(rng.uniform(0.1, 0.22))
        _ball(canvas, floor, camera, np.array((x, y, radius)), radius, colour)
    else:
        _coil(canvas, floor, camera, x, y, rng)


def _ball(
    canvas: Pixels, floor: Pixels, camera: Camera, middle: NDArray[np.float64], radius: float,
    colour: Colour,
) -> None:  # fmt: skip
    depth = float(camera.depth(middle))
    if depth < 0.3:
        return
    place, size = camera.project(middle), radius * camera.focal / depth
    for shade, share in ((0.55, 1.0), (0.8, 0.86), (1.0, 0.66), (1.15, 0.4)):
        centre = place - (1 - share) * size * np.array((0.4, 0.5))
        tone = [min(255.0, c * shade) for c in colour]
        at, round_ = fixed(centre).tolist(), max(1, round(size * share * 16))
        cv2.circle(canvas, at, round_, tone, -1, cv2.LINE_AA, SHIFT)
    whole = max(1, round(size * 16))
    cv2.circle(floor, fixed(place).tolist(), whole, (0,), -1, cv2.LINE_AA, SHIFT)


def _coil(
    canvas: Pixels, floor: Pixels, camera: Camera, x: float, y: float, rng: np.random.Generator
) -> None:
    tone = np.array(((196, 180, 140), (60, 110, 120), (190, 110, 60))[int(rng.integers(3))])
    around = np.linspace(0, 2 * np.pi, 40)
    for radius in np.arange(float(rng.uniform(0.18, 0.32)), 0.06, -0.035):
        wobble = radius * (1 + 0.06 * np.sin(around * 3 + rng.uniform(0, 6)))
        ring = np.stack((x + wobble * np.cos(around), y + wobble * np.sin(around), 0 * around), 1)
        if camera.depth(ring).min() < 0.3:
            return
        points = fixed(camera.project(ring))
        thick = max(1, round(0.028 * camera.focal / float(camera.depth(ring).mean())))
        shade = (tone * rng.uniform(0.8, 1.1)).tolist()
        cv2.polylines(canvas, [points], True, [c * 0.5 for c in shade], thick + 1, cv2.LINE_AA, 4)
        cv2.polylines(canvas, [points], True, shade, thick, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(floor, [points], (0,), cv2.LINE_AA, SHIFT)
