"""From the light on deck to the file: sun, clouds, rain, drops, smear, night vision, noise."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate.camera import Camera
from deckwatch_training.simulate.scenes import Frame, Scene
from deckwatch_training.simulate.shapes import SHIFT, Plane, clouds, fixed
from deckwatch_training.simulate.vessels import Vessel

Pixels = NDArray[np.uint8]


def daylight(canvas: Pixels, scene: Scene, vessel: Vessel) -> Pixels:
    """Light the deck for the hour: strength, colour, and the shadow of the wheelhouse."""
    camera = vessel.camera
    small = (max(8, camera.height_px // 4), max(8, camera.width // 4))
    rng = np.random.default_rng((*scene.key, 2))
    # 1 at noon, 0 at the edges of the day.
    high = float(np.clip(np.sin((scene.hour - 5.2) / 13.9 * np.pi), 0.05, 1))
    sunny = 1 - scene.cloud
    light = np.full(small, 0.55 + 0.45 * high, np.float32)
    light *= 1 + 0.08 * clouds(rng, *small, (3,))
    if sunny > 0.4:
        edge = _shadow(camera, scene, small)
        light *= 1 - edge * (0.3 + 0.35 * sunny)
        light *= 1 + 0.2 * sunny
    warm = np.array((1.0, 0.94, 0.82)) * (1 - high) + np.array((1.0, 1.0, 1.0)) * high
    if sunny < 0.4:
        warm = np.array((0.96, 1.0, 1.04))
    gain = light[..., None] * (warm * vessel.cast).astype(np.float32)
    return _multiply(canvas, gain)


def _shadow(camera: Camera, scene: Scene, small: tuple[int, int]) -> Plane:
    """What stands above the deck throws a shadow with straight edges that turns with the sun."""
    turn = (scene.hour - 12) / 7 * 1.2
    ahead, aside = np.array((np.sin(turn), np.cos(turn))), np.array((np.cos(turn), -np.sin(turn)))
    reach = 1.2 + 1.1 * abs(scene.hour - 12) / 7
    mask = np.zeros(small, np.uint8)
    for middle, half in ((-0.9, 0.8), (1.6, 0.12)):
        corners = [
            (*(aside * (middle + s * half) + ahead * far), 0.0)
            for s, far in ((-1, 0.2), (1, 0.2), (1, reach + 1), (-1, reach + 1))
        ]
        points = camera.project(np.array(corners)) * (small[1] / camera.width)
        cv2.fillPoly(mask, [fixed(points)], 255, cv2.LINE_AA, SHIFT)
    return cv2.blur(mask, (3, 3)).astype(np.float32) / 255


def _multiply(canvas: Pixels, gain: Plane) -> Pixels:
    table = np.clip(gain * 128, 0, 255).astype(np.uint8)
    height, width = canvas.shape[:2]
    full = cv2.resize(table, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(canvas, full, scale=1 / 128), np.uint8)


@lru_cache(maxsize=8)
def _falloff(height: int, width: int, strength: float) -> Plane:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return np.asarray(np.exp(-strength * (x**2 + y**2)), np.float32)


def night(canvas: Pixels, scene: Scene, vessel: Vessel) -> Pixels:
    """What an infrared camera makes of the deck: one channel, lit from its own lamp."""
    rng = np.random.default_rng((*scene.key, 3))
    # Near infrared sees oilskins and blood bright and water dark: red counts most.
    weights = np.array(((0.62, 0.28, 0.1),), np.float32)
    grey = cv2.transform(canvas, weights)
    height, width = canvas.shape[:2]
    small = (max(8, height // 4), max(8, width // 4))
    lamp = _falloff(*small, float(round(rng.uniform(0.5, 1.1), 1)))
    lamp = lamp * (1 + 0.06 * clouds(rng, *small, (3,))) * float(rng.uniform(0.95, 1.35))
    grey = _multiply(grey, lamp)
    # Gain control: dark parts lifted, bright ones burnt out, and they bloom.
    table = np.linspace(0, 1, 256) ** float(rng.uniform(0.62, 0.9)) * 255
    table = np.clip((table - 18) * float(rng.uniform(1.05, 1.35)) + 12, 0, 255)
    grey = cv2.LUT(grey, table.astype(np.uint8))
    bloom = cv2.blur(cv2.threshold(grey, 225, 255, cv2.THRESH_TOZERO)[1], (7, 7))
    grey = cv2.add(grey, cv2.convertScaleAbs(bloom, alpha=0.35))
    tint = (0.62, 1.0, 0.66) if vessel.vision == "green" else (1.0, 1.0, 1.0)
    return np.asarray(
        cv2.merge([cv2.convertScaleAbs(grey, alpha=share) for share in tint]), np.uint8
    )


def weather(canvas: Pixels, frame: Frame) -> Pixels:
    """Streaks of rain, drops and smears on the lens, and the shake of the camera."""
    scene = frame.scene
    rng = np.random.default_rng((*scene.key, 4))
    if scene.rain:
        canvas = _streaks(canvas, scene, frame)
    if scene.drops or scene.smear:
        canvas = _lens(canvas, scene, rng)
    moving = np.random.default_rng((*scene.key, 5, frame.number))
    if moving.random() < 0.12:
        canvas = _shake(canvas, moving)
    return canvas


def _streaks(canvas: Pixels, scene: Scene, frame: Frame) -> Pixels:
    rng = np.random.default_rng((*scene.key, 6, frame.number))
    height, width = canvas.shape[:2]
    count = int(90 * scene.rain)
    start = rng.uniform(0, 1, (count, 2)) * (width, height)
    slant = np.random.default_rng((*scene.key, 7)).normal(0, 0.25)
    length = rng.uniform(0.03, 0.1, (count, 1)) * height
    ends = start + length * np.array((slant, 1.0))
    lines = fixed(np.stack((start, ends), 1))
    veil = canvas.copy()
    cv2.polylines(veil, list(lines), False, (206, 212, 216), 1, cv2.LINE_AA, SHIFT)
    return np.asarray(cv2.addWeighted(veil, 0.35, canvas, 0.65, 4), np.uint8)


def _lens(canvas: Pixels, scene: Scene, rng: np.random.Generator) -> Pixels:
    height, width = canvas.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(scene.drops):
        at = (rng.uniform(0, 1, 2) * (width, height) * 16).astype(int).tolist()
        size = rng.uniform(0.008, 0.045) * width * 16
        cv2.ellipse(mask, at, (int(size), int(size * rng.uniform(0.8, 1.4))), 0, 0, 360, 230, -1,
                    cv2.LINE_AA, SHIFT)  # fmt: skip
    if scene.smear:
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * (width, height)
        soft = np.zeros_like(mask)
        thick = max(2, round(width * rng.uniform(0.08, 0.25)))
        cv2.line(soft, *ends.astype(int).tolist(), round(200 * scene.smear), thick, cv2.LINE_AA)
        side = max(3, width // 16) | 1
        mask = cv2.max(mask, cv2.blur(soft, (side, side)))
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
    cv2.line(kernel, *np.round((middle - half, middle + half)).astype(int).tolist(), 1.0, 1)
    return np.asarray(cv2.filter2D(canvas, -1, kernel / kernel.sum()), np.uint8)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.int16]:
    """Noise of deviation 32, from which every picture takes a window."""
    rng = np.random.default_rng(5)
    return np.asarray(rng.normal(0, 32, (1 << 20) + 7919), np.int16)


def noise(canvas: Pixels, sigma: float, rng: np.random.Generator, *, grey: bool) -> Pixels:
    """Sensor noise of deviation `sigma`; grey: the same in every channel."""
    bank = _grain()
    height, width = canvas.shape[:2]
    count = height * width * (1 if grey else 3)
    start = int(rng.integers(7919))
    repeated = np.resize(bank[start:], count) if count > len(bank) - start else bank[start:][:count]
    grain = repeated.reshape(height, width, -1)
    scaled = cv2.convertScaleAbs(cv2.add(cv2.multiply(grain, sigma / 32), 128))
    if grey:
        scaled = cv2.merge([scaled.reshape(height, width)] * 3)
    return np.asarray(cv2.addWeighted(canvas, 1, scaled, 1, -128), np.uint8)
