"""Pictures of decks with fish on them, and a stand-in for what recognises these."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_vision.images import decode, encode_jpeg
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]

SIZE = (480, 270)
STATIC: Box = (60, 60, 160, 110)
REAL: Box = (300, 150, 400, 200)


def deck(seed: int = 1) -> Pixels:
    """A deck of planks and boxes, with something at STATIC that looks like a fish."""
    random = np.random.default_rng(seed)
    width, height = SIZE
    picture = np.full((height, width, 3), random.integers(110, 150, 3), np.uint8)
    for left in range(0, width, int(random.integers(24, 40))):
        cv2.line(picture, (left, 0), (left + 30, height), random.integers(40, 90, 3).tolist(), 3)
    for _ in range(14):
        x, y = int(random.integers(0, width - 40)), int(random.integers(0, height - 30))
        colour = random.integers(20, 235, 3).tolist()
        cv2.rectangle(picture, (x, y), (x + 34, y + 24), colour, -1)
    lay(picture, STATIC, (60, 90, 160))
    return picture


def lay(picture: Pixels, box: Box, colour: tuple[int, int, int]) -> None:
    """Draw a fish into a box."""
    left, top, right, bottom = map(int, box)
    middle = ((left + right) // 2, (top + bottom) // 2)
    axes = ((right - left) // 2, (bottom - top) // 2)
    cv2.ellipse(picture, middle, axes, 0, 0, 360, (20, 24, 30), -1)
    cv2.ellipse(picture, middle, (axes[0] - 3, axes[1] // 2), 0, 0, 360, colour, -1)
    cv2.line(picture, (left, top), (left, bottom), (200, 205, 210), 4)


def shot(
    number: int,
    *,
    seed: int = 1,
    fish: Sequence[Box] = (),
    gain: float = 1.0,
    night: bool = False,
    shift: int = 0,
    size: tuple[int, int] = SIZE,
) -> bytes:
    """Picture `number` of a camera: with noise, fish, other light, turned by `shift` pixels."""
    picture = deck(seed)
    for box in fish:
        lay(picture, box, (200, 170, 60))
    if shift:
        matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
        turned = cv2.warpAffine(picture, matrix, SIZE, borderMode=cv2.BORDER_REFLECT)
        picture = np.asarray(turned, np.uint8)
    lit = picture.astype(np.float32) * gain
    if night:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    noise = np.random.default_rng(1000 + number).normal(0, 4, (*lit.shape[:2], 1 if night else 3))
    pixels = np.clip(lit + noise, 0, 255).astype(np.uint8)
    if size != SIZE:
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return encode_jpeg(pixels, 92)


def passing(count: int, **options: object) -> list[bytes]:
    """Pictures over which a fish wanders, so that it lies nowhere for long."""
    return [
        shot(
            number,
            fish=[
                (
                    20 + 37.0 * (number % 10),
                    170 + 3.0 * number % 40,
                    110 + 37.0 * (number % 10),
                    220,
                )
            ],
            **options,  # type: ignore[arg-type]
        )
        for number in range(count)
    ]


def finder(*boxes: Box, species: str = "SHARK") -> Callable[[bytes], Result]:
    """What finds a fish in each of these boxes, whatever it is shown."""

    def infer(data: bytes) -> Result:
        height, width = decode(data).shape[:2]
        fish = tuple(
            Fish(box, 0.9, species, {"NoF": 0.05, "OTHER": 0.05, "SHARK": 0.9}) for box in boxes
        )
        likelihoods = {"NoF": 0.1, "OTHER": 0.1, "SHARK": 0.8}
        digest = hashlib.sha256(data).hexdigest()
        image = ImageInfo(None, width, height, digest)
        return Result("SHARK", likelihoods, fish, image, ReleaseInfo("fake", 1))

    return infer
