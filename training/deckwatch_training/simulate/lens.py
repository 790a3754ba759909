"""From the light on deck to the file: sun, clouds, rain, drops, smear, night vision, noise."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate.scenes import Frame, Scene
from deckwatch_training.simulate.shapes import SHIFT, Plane, clouds, fixed
from deckwatch_training.simulate.vessels import Vessel

Pixels = NDArray[np.uint8]


def exposed(canvas: Pixels, frame: Frame, vessel: Vessel) -> Pixels:
    """The scene as its camera takes it, by day or by night."""
    scene = frame.scene
    rng = np.random.default_rng((*scene.key, 2))
    canvas = _night(canvas, vessel, rng) if scene.night else _daylight(canvas, scene, vessel, rng)
    moving = np.random.default_rng((*scene.key, 5, frame.number))
    if scene.rain:
        canvas = _streaks(canvas, scene.rain, float(rng.normal(0, 0.25)), moving)
    if scene.drops or scene.smear:
        canvas = _lens(canvas, scene, rng)
    if moving.random() < 0.12:
        canvas = _shake(canvas, moving)
    sigma = vessel.noise * (3.5 if scene.night else 1.0)
    return _noise(canvas, sigma, moving, grey=scene.night)


def _daylight(canvas: Pixels, scene: Scene, vessel: Vessel, rng: np.random.Generator) -> Pixels:
    """Light the deck for the hour: strength, colour, and the shadows of what stands above it."""
    camera = vessel.camera
    small = (max(8, camera.height_px // 4), max(8, camera.width // 4))
    # 1 at noon, 0 at the edges of the day.
    high = float(np.clip(np.sin((scene.hour - 5.2) / 13.9 * np.pi), 0.05, 1))
    sunny = 1 - scene.cloud
    light = 0.62 + 0.4 * high + 0.07 * clouds(rng, *small, (3,))
    if sunny > 0.4:
        light *= 1 + 0.2 * sunny - _shadow(vessel, scene, small) * (0.25 + 0.4 * sunny)
        warm = np.array((1.0, 0.94, 0.82)) * (1 - high) + high
    else:
        warm = np.array((0.96, 1.0, 1.04))
    return _multiply(canvas, light[..., None] * (warm * vessel.cast).astype(np.float32))


def _shadow(vessel: Vessel, scene: Scene, small: tuple[int, int]) -> Plane:
    """What stands above the deck throws shadows with straight edges that turn with the sun."""
    camera = vessel.camera
    turn = (scene.hour - 12) / 7 * 1.2
    ahead, aside = np.array((np.sin(turn), np.cos(turn))), np.array((np.cos(turn), -np.sin(turn)))
    mask = np.zeros(small, np.uint8)
    for middle, half, length in vessel.shadows:
        far = length * (1 + abs(scene.hour - 12) / 5)
        corners = [
            (*(aside * (middle + s * half) + ahead * end), 0.0)
            for s, end in ((-1, 0.3), (1, 0.3), (1, far), (-1, far))
        ]
        points = camera.project(np.array(corners)) * (small[1] / camera.width)
        cv2.fillPoly(mask, [fixed(points)], (255,), cv2.LINE_AA, SHIFT)
    side = max(3, small[1] // 24) | 1
    return np.asarray(cv2.blur(mask, (side, side)), np.float32) / 255


def _multiply(canvas: Pixels, gain: Plane) -> Pixels:
    table = np.clip(gain * 128, 0, 255).astype(np.uint8)
    height, width = canvas.shape[:2]
    full = cv2.resize(table, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(canvas, full, scale=1 / 128), np.uint8)


@lru_cache(maxsize=8)
def _distance(height: int, width: int) -> Plane:
    """Squared distance from the middle, 1 at the middle of each side."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(x**2 + y**2, np.float32)


def _night(canvas: Pixels, vessel: Vessel, rng: np.random.Generator) -> Pixels:
    """What an infrared camera makes of the deck: one channel, lit by its own lamp."""
    # Near infrared sees oilskins and blood bright and water dark: red counts most.
    grey = cv2.transform(canvas, np.array(((0.62, 0.28, 0.1),), np.float32))
    height, width = canvas.shape[:2]
    small = (max(8, height // 4), max(8, width // 4))
    lamp = np.exp(-float(rng.uniform(0.5, 1.2)) * _distance(*small))
    # Gain control: whatever the deck's colour, it comes out about as bright.
    gain = float(rng.uniform(95, 150)) / max(40.0, float(cv2.mean(grey)[0]))
    lamp = lamp * (1 + 0.06 * clouds(rng, *small, (3,))) * min(gain, 1.9)
    grey = _multiply(np.asarray(grey, np.uint8), lamp)
    curve = np.linspace(0, 1, 256) ** float(rng.uniform(0.65, 0.95)) * 255
    curve = np.clip((curve - 14) * float(rng.uniform(1.0, 1.25)) + 10, 0, 255)
    grey = cv2.LUT(grey, curve.astype(np.uint8))
    # What is burnt out blooms.
    bright = cv2.threshold(grey, 225, 255, cv2.THRESH_TOZERO)[1]
    grey = cv2.add(grey, cv2.convertScaleAbs(cv2.blur(bright, (7, 7)), alpha=0.35))
    if vessel.vision == "grey":
        return np.asarray(cv2.merge([grey] * 3), np.uint8)
    tint = (0.6, 1.0, 0.64)
    return np.asarray(cv2.merge([cv2.convertScaleAbs(grey, alpha=t) for t in tint]), np.uint8)


def _streaks(canvas: Pixels, rain: float, slant: float, rng: np.random.Generator) -> Pixels:
    height, width = canvas.shape[:2]
    count = int(90 * rain)
    start = rng.uniform(0, 1, (count, 2)) * (width, height)
    length = rng.uniform(0.03, 0.1, (count, 1)) * height
    lines = fixed(np.stack((start, start + length * np.array((slant, 1.0))), 1))
    veil = canvas.copy()
    cv2.polylines(veil, list(lines), False, (206, 212, 216), 1, cv2.LINE_AA, SHIFT)
    return np.asarray(cv2.addWeighted(veil, 0.35, canvas, 0.65, 4), np.uint8)


def _lens(canvas: Pixels, scene: Scene, rng: np.random.Generator) -> Pixels:
    height, width = canvas.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(scene.drops):
        at = (rng.uniform(0, 1, 2) * (width, height) * 16).astype(int).tolist()
        size = rng.uniform(0.008, 0.045) * width * 16
        cv2.ellipse(mask, at, (int(size), int(size * rng.uniform(0.8, 1.4))), 0, 0, 360, (230,), -1,
                    cv2.LINE_AA, SHIFT)  # fmt: skip
    if scene.smear:
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
        soft = np.zeros_like(mask)
        thick = max(2, round(width * rng.uniform(0.08, 0.25)))
        first, last = ends.astype(int).tolist()
        cv2.line(soft, first, last, (round(200 * scene.smear),), thick, cv2.LINE_AA)
        side = max(3, width // 16) | 1
        mask = np.maximum(mask, np.asarray(cv2.blur(soft, (side, side)), np.uint8))
    side = max(3, width // 40) | 1
    blurred = cv2.blur(canvas, (side, side))
    # Water bends the sky into the picture: paler than what lies behind it.
    blurred = cv2.addWeighted(blurred, 0.86, blurred, 0, 20)
    share = cv2.blur(mask, (3, 3)).astype(np.float32)[..., None] / 255
    mixed = canvas + share * (blurred.astype(np.float32) - canvas)
    return np.asarray(mixed, np.uint8)


def _shake(canvas: Pixels, rng: np.random.Generator) -> Pixels:
    length = max(2, round(canvas.shape[1] * rng.uniform(0.006, 0.016)))
    side = length | 1
    kernel = np.zeros((side, side), np.float32)
    angle = rng.uniform(0, np.pi)
    half = np.array((np.cos(angle), np.sin(angle))) * length / 2
    middle = np.array((side // 2, side // 2))
    first, last = np.round((middle - half, middle + half)).astype(int).tolist()
    cv2.line(kernel, first, last, (1.0,), 1)
    return np.asarray(cv2.filter2D(canvas, -1, kernel / kernel.sum()), np.uint8)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.int8]:
    """Noise of deviation 24, of which every picture takes a stretch."""
    return np.random.default_rng(5).normal(0, 24, 1 << 20).astype(np.int8)


def _noise(canvas: Pixels, sigma: float, rng: np.random.Generator, *, grey: bool) -> Pixels:
    """Sensor noise of deviation `sigma`; grey: the same in every channel."""
    height, width = canvas.shape[:2]
    shape = (height, width) if grey else (height, width, 3)
    bank, count = _grain(), int(np.prod(shape))
    start = int(rng.integers(len(bank)))
    taken = np.resize(np.roll(bank, -start) if count > len(bank) - start else bank[start:], count)
    scaled = cv2.convertScaleAbs(taken.reshape(shape), alpha=sigma / 24, beta=128)
    if grey:
        scaled = cv2.merge([scaled] * 3)
    return np.asarray(cv2.addWeighted(canvas, 1, scaled, 1, -128), np.uint8)
