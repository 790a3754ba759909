"""Paints one fish from its anatomy: premultiplied RGBA at several sizes, kept for its vessel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate import others, tunas
from deckwatch_training.simulate.anatomy import Anatomy, Fin
from deckwatch_training.simulate.shapes import chaikin, clouds, gradient, polygon

Plane = NDArray[np.float32]
Pixels = NDArray[np.uint8]

KINDS: dict[str, tuple[Anatomy, ...]] = {
    "ALB": (tunas.ALBACORE,),
    "BET": (tunas.BIGEYE,),
    "DOL": (others.DOLPHINFISH,),
    "LAG": (others.OPAH,),
    "OTHER": (
        others.WAHOO, others.ESCOLAR, others.POMFRET, others.MARLIN, others.SNAPPER,
        others.LANCETFISH, tunas.SKIPJACK,
    ),
    "SHARK": (others.SHARK,),
    "YFT": (tunas.YELLOWFIN,),
}  # fmt: skip
# Fish of one species that a vessel's pictures tell apart.
INDIVIDUALS = 7
# The canvas that a fish is painted on, in lengths of its body: along, and across.
LEFT, RIGHT, HALF = -0.28, 1.3, 0.54


@dataclass(frozen=True)
class Sprite:
    """A painted fish. levels: premultiplied RGBA, each half the size of the one before.

    scale: pixels of the first level for one body length; length: metres; area: pixels of the first
    level that it covers.
    """

    levels: tuple[Pixels, ...]
    scale: float
    length: float
    area: float


@lru_cache(maxsize=64)
def sprite(seed: int, vessel: int, species: str, individual: int, scale: int) -> Sprite:
    """An individual of a vessel's catch, `scale` pixels long; always the same for the same key."""
    tag = sorted(KINDS).index(species)
    rng = np.random.default_rng((seed, 4, vessel, tag, individual))
    kinds = KINDS[species]
    kind = kinds[int(rng.integers(len(kinds)))]
    levels = [paint(kind, scale, rng)]
    while min(levels[-1].shape[:2]) > 16 and len(levels) < 5:
        height, width = levels[-1].shape[:2]
        half = (max(1, width // 2), max(1, height // 2))
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA)))
    area = float(np.count_nonzero(levels[0][..., 3] > 127))
    return Sprite(tuple(levels), float(scale), float(rng.uniform(*kind.length)), area)


def paint(kind: Anatomy, scale: int, rng: np.random.Generator) -> Pixels:
    """Paint an individual, head to the left; RGBA premultiplied, [1.08, 1.58] body lengths."""
    width, height = round((RIGHT - LEFT) * scale), round(2 * HALF * scale)
    x = (np.arange(width, dtype=np.float32) + 0.5) / scale + LEFT
    y = HALF - (np.arange(height, dtype=np.float32)[:, None] + 0.5) / scale
    bend, depth = float(rng.normal(0, 0.07)), float(np.exp(rng.normal(0, 0.07)))
    top, bottom = (_profile(line, x) * depth for line in (kind.back, kind.belly))
    middle = ((top + bottom) / 2 + _bend(x, bend)).astype(np.float32)
    half = np.maximum((top - bottom) / 2, 1e-4).astype(np.float32)
    across = np.asarray((y - middle) / half, np.float32)
    along = np.broadcast_to(x, across.shape)
    body = np.clip((1 - np.abs(across)) * half * scale + 0.5, 0, 1)
    body *= (x >= kind.back[0][0]) & (x <= 1.0)

    canvas = np.zeros((height, width, 4), np.float32)
    for fin in kind.fins:
        if not fin.front:
            _lay(canvas, *_fin(fin, scale, (height, width), bend, depth, rng))
    _lay(canvas, _skin(kind, along, across, rng), body)
    _head(canvas, kind, scale, bend, depth)
    for fin in kind.fins:
        if fin.front:
            _lay(canvas, *_fin(fin, scale, (height, width), bend, depth, rng))
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


def _profile(line: tuple[tuple[float, float], ...], x: Plane) -> Plane:
    points = chaikin(line, 3, closed=False)
    found = np.interp(x, points[:, 0], points[:, 1], left=0.0, right=0.0)
    return found.astype(np.float32)


def _bend(x: Plane, bend: float) -> Plane:
    """How far a curved fish's axis is off, at each place along it."""
    found: Plane = bend * (x - 0.45) ** 2
    return found


def _fin(
    fin: Fin, scale: int, shape: tuple[int, int], bend: float, depth: float,
    rng: np.random.Generator,
) -> tuple[Plane, Plane]:  # fmt: skip
    points = chaikin(fin.outline, 2) * (1.0, depth)
    # Fins are never spread twice in the same way.
    points = points + rng.normal(0, 0.004, 2)
    points[:, 1] += _bend(points[:, 0].astype(np.float32), bend)
    pixels = np.stack(((points[:, 0] - LEFT) * scale, (HALF - points[:, 1]) * scale), 1) - 0.5
    mask = polygon(*shape, pixels).astype(np.float32) / 255
    rays = np.sin(np.arange(shape[1], dtype=np.float32) * (110 / scale)) * 0.08 + 1
    shade = np.array(fin.colour, np.float32) * float(rng.uniform(0.85, 1.15))
    return np.broadcast_to(rays[None, :, None] * shade, (*shape, 3)), mask


def _skin(kind: Anatomy, along: Plane, across: Plane, rng: np.random.Generator) -> Plane:
    height, width = across.shape
    mottle = clouds(rng, height, width, (12, 40))
    rgb = gradient(kind.stops, across + 0.06 * mottle + float(rng.normal(0, 0.05)))
    if kind.marks:
        kind.marks(rgb, along, across, rng)
    # A round body: dark towards both edges, a wet streak where the light falls.
    streak = float(rng.uniform(0.05, 0.5))
    light = 0.62 + 0.38 * np.sqrt(np.clip(1 - across**2, 0, 1)) + 0.03 * mottle
    wet = np.exp(-(((across - streak) / 0.16) ** 2)) * np.clip(0.6 + 0.5 * mottle, 0, 1.4)
    rgb = rgb * light[..., None] + (wet * 70 * kind.shine)[..., None]
    _gills(rgb, kind, along, across)
    # Fish fade on deck, each in its own measure.
    grey = rgb.mean(2, keepdims=True)
    faded = grey + (rgb - grey) * float(rng.uniform(0.6, 1.05))
    return np.asarray(faded * float(rng.uniform(0.82, 1.12)), np.float32)


def _gills(rgb: Plane, kind: Anatomy, along: Plane, across: Plane) -> None:
    """The edge of the gill cover; five slits where there is none (sharks)."""
    slits = (kind.gill,) if kind.gill else (0.19, 0.205, 0.22, 0.235, 0.25)
    sharp = 0.008 if kind.gill else 0.003
    for slit in slits:
        line = np.exp(-(((along - slit + 0.06 * across**2) / sharp) ** 2))
        line *= np.abs(across) < (0.8 if kind.gill else 0.5)
        rgb *= (1 - 0.5 * line)[..., None]


def _head(canvas: Plane, kind: Anatomy, scale: int, bend: float, depth: float) -> None:
    along, up, radius = kind.eye

    def at(x: float, y: float) -> tuple[int, int]:
        bent = y * depth + bend * (x - 0.45) ** 2
        return round(((x - LEFT) * scale - 0.5) * 16), round(((HALF - bent) * scale - 0.5) * 16)

    mouth = kind.mouth
    cv2.line(canvas, at(0.0, -0.004), at(*mouth), (25, 20, 22, 255), max(1, scale // 160),
             cv2.LINE_AA, 4)  # fmt: skip
    for share, colour in ((1.15, (40, 38, 40)), (1.0, kind.iris), (0.62, (8, 8, 10))):
        size = max(8, round(radius * share * scale * 16))
        cv2.circle(canvas, at(along, up), size, (*colour, 255), -1, cv2.LINE_AA, 4)
    glint = max(4, round(radius * 0.2 * scale * 16))
    cv2.circle(canvas, at(along - radius * 0.3, up + radius * 0.35), glint, (255, 255, 255, 255),
               -1, cv2.LINE_AA, 4)  # fmt: skip


def _lay(canvas: Plane, rgb: Plane, alpha: Plane) -> None:
    """Put a layer over the premultiplied canvas."""
    cover = alpha[..., None]
    canvas *= 1 - cover
    canvas[..., :3] += rgb * cover
    canvas[..., 3:] += 255 * cover
