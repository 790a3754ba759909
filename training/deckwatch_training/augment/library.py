"""Steps of albumentations 2.0.8: the only file that imports it.

Its makers no longer develop this version, so what a recipe names is ours and what does it is
theirs. Any other transform of theirs is a step too, as `albumentations.NAME`; the outlines of the
fish then follow as its key points.
"""

from __future__ import annotations

import os
import random
import sys
from functools import cache, lru_cache
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from deckwatch_training.augment.samples import Floats, Pixels, Sample
from deckwatch_training.augment.steps import Range, Share, Whole, of_pixels
from deckwatch_vision.errors import UsageError


@cache
def _albumentations() -> Any:
    """The package, imported by the workers that need it: it takes seconds."""
    # On import it would ask a server whether there is a newer version.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # It would import torch to offer tensors: another 340 MB and most of the time, in each worker.
    missing = object()
    torch = sys.modules.get("torch", missing)
    if torch is missing:
        sys.modules["torch"] = None  # type: ignore[assignment]  # makes `import torch` fail
    try:
        import albumentations
    finally:
        if torch is missing:
            del sys.modules["torch"]
    return albumentations


@lru_cache(maxsize=256)
def _made(name: str, settings: tuple[tuple[str, Any], ...]) -> Any:
    """A transform; making one costs more than most of them take."""
    return getattr(_albumentations(), name)(p=1.0, **dict(settings))


def _seeded(transform: Any, rng: np.random.Generator) -> Any:
    """The transform with all its randomness from `rng`."""
    transform.set_random_state(rng, random.Random(int(rng.integers(2**63))))
    return transform


def _apply(name: str, pixels: Pixels, rng: np.random.Generator, **settings: Any) -> Pixels:
    transform = _seeded(_made(name, tuple(settings.items())), rng)
    return np.asarray(transform(image=pixels)["image"], np.uint8)


@of_pixels("light", "brightness")
def light(pixels: Pixels, rng: np.random.Generator, *, limit: Share = 0.25) -> Pixels:
    """Brighter or darker by up to `limit` of the full range."""
    return _apply(
        "RandomBrightnessContrast", pixels, rng, brightness_limit=limit, contrast_limit=0.0
    )


@of_pixels("contrast")
def contrast(pixels: Pixels, rng: np.random.Generator, *, limit: Share = 0.3) -> Pixels:
    """More or less contrast, by up to `limit`."""
    return _apply(
        "RandomBrightnessContrast", pixels, rng, brightness_limit=0.0, contrast_limit=limit
    )


@of_pixels("gamma")
def gamma(pixels: Pixels, rng: np.random.Generator, *, gamma: Range = (0.6, 1.6)) -> Pixels:
    """Lift or deepen the shadows: brightness to the power of gamma."""
    low, high = gamma
    return _apply("RandomGamma", pixels, rng, gamma_limit=(low * 100, high * 100))


@of_pixels("hue")
def hue(
    pixels: Pixels,
    rng: np.random.Generator,
    *,
    degrees: Annotated[float, Field(ge=0, le=180)] = 16.0,
    saturation: Share = 0.25,
) -> Pixels:
    """Turn the hue by up to `degrees`, and change the saturation by up to a share."""
    # OpenCV keeps hue in half degrees and saturation in 0..255.
    return _apply(
        "HueSaturationValue", pixels, rng, hue_shift_limit=round(degrees / 2),
        sat_shift_limit=round(saturation * 255), val_shift_limit=0,
    )  # fmt: skip


@of_pixels("clahe")
def clahe(pixels: Pixels, rng: np.random.Generator, *, limit: Range = (1.0, 4.0)) -> Pixels:
    """Spread the contrast locally (CLAHE), as many surveillance cameras do."""
    return _apply("CLAHE", pixels, rng, clip_limit=limit)


@of_pixels("grey")
def grey(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Without colour."""
    return _apply("ToGray", pixels, rng)


@of_pixels("blur")
def blur(pixels: Pixels, rng: np.random.Generator, *, sigma: Range = (0.5, 2.0)) -> Pixels:
    """Out of focus, or a dirty lens; sigma in pixels."""
    return _apply("GaussianBlur", pixels, rng, blur_limit=0, sigma_limit=sigma)


@of_pixels("motion_blur")
def motion_blur(pixels: Pixels, rng: np.random.Generator, *, length: Whole = (3, 11)) -> Pixels:
    """Smeared along a line, as by a swinging camera; length in pixels, odd, at least 3."""
    low, high = (max(3, each | 1) for each in length)
    return _apply("MotionBlur", pixels, rng, blur_limit=(low, high))


@of_pixels("sharpen")
def sharpen(pixels: Pixels, rng: np.random.Generator, *, strength: Range = (0.1, 0.4)) -> Pixels:
    """Sharpened, as cheap cameras do."""
    return _apply("Sharpen", pixels, rng, alpha=strength)


@of_pixels("downscale")
def downscale(pixels: Pixels, rng: np.random.Generator, *, scale: Range = (0.4, 0.8)) -> Pixels:
    """Stored smaller and enlarged again: a camera of fewer pixels."""
    return _apply("Downscale", pixels, rng, scale_range=scale)


@of_pixels("jpeg")
def jpeg(pixels: Pixels, rng: np.random.Generator, *, quality: Whole = (35, 85)) -> Pixels:
    """Compressed hard."""
    return _apply("ImageCompression", pixels, rng, compression_type="jpeg", quality_range=quality)


@of_pixels("rain")
def rain(
    pixels: Pixels,
    rng: np.random.Generator,
    *,
    length: Annotated[int, Field(ge=1, le=100)] = 16,
    brightness: Range = (0.75, 0.95),
) -> Pixels:
    """Streaks of rain, a blur and less light."""
    return _apply(
        "RandomRain", pixels, rng, slant_range=(-12, 12), drop_length=length, drop_width=1,
        drop_color=(190, 195, 200), blur_value=3,
        brightness_coefficient=round(float(rng.uniform(*brightness)), 2),
    )  # fmt: skip


@of_pixels("lens_drops")
def lens_drops(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Drops of water on the lens."""
    return _apply("Spatter", pixels, rng, mode="rain")


@of_pixels("shadow")
def shadow(pixels: Pixels, rng: np.random.Generator, *, strength: Range = (0.3, 0.6)) -> Pixels:
    """Hard shadows, as of a mast or a crane."""
    return _apply("RandomShadow", pixels, rng, shadow_intensity_range=strength)


@of_pixels("glare")
def glare(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The low sun in the lens."""
    return _apply("RandomSunFlare", pixels, rng, flare_roi=(0, 0, 1, 0.5), src_radius=200)


class Transform:
    """Any transform of albumentations by its own name and parameters."""

    def __init__(self, name: str, parameters: dict[str, Any], where: str):
        there = _albumentations()
        kind = getattr(there, name, None)
        if not (isinstance(kind, type) and issubclass(kind, there.BasicTransform)):
            raise UsageError(
                f"{where}: albumentations {there.__version__} has no transform {name!r}."
            )
        self.name = name
        try:
            self._transform = kind(**({"p": 1.0} | parameters))
        except (TypeError, ValueError) as error:
            raise UsageError(f"{where}: {name}: {' '.join(str(error).split())}") from None
        self._moves = isinstance(self._transform, there.DualTransform)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> bool:
        given: dict[str, Any] = {"image": sample.pixels}
        if self._moves:
            given["keypoints"] = _key_points([fish.outline for fish in sample.fish])
        try:
            found = _seeded(self._transform, rng)(**given)
        except (KeyError, ValueError, TypeError, NotImplementedError) as error:
            raise UsageError(
                f"The step albumentations.{self.name} cannot be used here: {error}. It may need "
                "masks or other pictures; see docs/augmentation.md."
            ) from None
        pixels = np.ascontiguousarray(found["image"], np.uint8)
        if self._moves:
            counts = np.cumsum([len(fish.outline) for fish in sample.fish])[:-1]
            points = np.asarray(found["keypoints"], np.float64).reshape(-1, 5)[:, :2] + 0.5
            sample.move_points(pixels, np.split(points, counts) if sample.fish else [])
        else:
            sample.pixels = pixels
        return True


def _key_points(outlines: list[Floats]) -> Floats:
    """[K, 5] x y z angle scale; they are middles of pixels where outlines are edges."""
    points = np.concatenate([*outlines, np.zeros((0, 2))]) - 0.5
    return np.concatenate((points, np.zeros((len(points), 3))), 1)
