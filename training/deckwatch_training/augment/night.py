"""Night vision out of daylight: the step that won, with the histograms of real night frames.

On three in ten of their photographs the winners of the NCFM competition stretched the histograms to
those of real night-vision frames, and stretched every channel by up to half besides. Here the
brightness alone takes the three histograms of a frame, so that what comes out has one tint: with
the channels each for itself, orange overalls stay orange at night.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from deckwatch_serving import picture_files
from deckwatch_training.augment.light import channel_stretch
from deckwatch_training.augment.samples import Pixels, Sample
from deckwatch_training.augment.steps import Share, step
from deckwatch_vision.daylight import is_night
from deckwatch_vision.errors import ImageError, UsageError

# Frames kept; more than a cameras' worth of nights adds no new histograms.
MOST_FRAMES = 64


@dataclass(frozen=True)
class References:
    """How bright real night frames are.

    frames: of each the cumulative histogram of every channel, float32 [3, 256] up to 1. digest:
    what identifies them. left_out: files that were day pictures or could not be read, with reasons.
    """

    frames: tuple[NDArray[np.float32], ...] = ()
    digest: str = ""
    left_out: tuple[str, ...] = ()


def read_references(folder: Path) -> References:
    """The histograms of the night frames in a folder.

    Day pictures in it are left out, so a folder of all pictures will do; of many frames, 64 spread
    evenly over the folder are taken.

    Raises:
        UsageError: the folder is missing or holds no night frame.
    """
    if not folder.is_dir():
        raise UsageError(f"--night-frames {folder} is no folder. Give one of real night frames.")
    names = list(picture_files.find(folder))
    frames: list[NDArray[np.float32]] = []
    left_out: list[str] = []
    # Round after round over the folder, each between the files of the last, until there are enough.
    stride = max(1, len(names) // MOST_FRAMES)
    for name in (names[i] for start in range(stride) for i in range(start, len(names), stride)):
        if len(frames) == MOST_FRAMES:
            break
        try:
            pixels = picture_files.load(folder / name)
        except ImageError as error:
            left_out.append(f"{name}: {error.message}")
            continue
        if is_night(pixels):
            frames.append(cumulative(pixels))
        else:
            left_out.append(f"{name}: not taken at night")
    if not frames:
        raise UsageError(
            f"None of the {len(names)} pictures in {folder} is a night frame: dark, or of one "
            "tint. Give a folder of real night frames, or leave --night-frames out."
        )
    digest = hashlib.sha256(np.stack(frames).tobytes()).hexdigest()[:16]
    return References(tuple(frames), digest, tuple(left_out))


def cumulative(pixels: Pixels) -> NDArray[np.float32]:
    """The cumulative histogram of every channel, float32 [3, 256], last value 1."""
    counts = [np.bincount(pixels[..., i].ravel(), minlength=256) for i in range(3)]
    return np.asarray(np.cumsum(counts, 1) / (pixels.size // 3), np.float32)


def matched(
    pixels: Pixels, wanted: NDArray[np.float32], *, strength: float = 1.0, colour: float = 0.0
) -> Pixels:
    """The picture with every channel's histogram moved to `wanted`, cumulative [3, 256].

    strength: 1 all the way, 0 not at all; colour: share of the picture's own that stays.
    """
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faded = np.asarray(cv2.addWeighted(pixels, colour, grey, 1 - colour, 0), np.uint8)
    own = cumulative(faded)
    table = np.empty((1, 256, 3), np.uint8)
    for i in range(3):
        # The darkest level that as many pixels reach; the sums of shares are off by a little.
        table[0, :, i] = np.minimum(np.searchsorted(wanted[i], own[i] - 1e-6), 255)
    night = np.asarray(cv2.LUT(faded, table), np.uint8)
    return np.asarray(cv2.addWeighted(night, strength, pixels, 1 - strength, 0), np.uint8)


@step("night_vision")
def night_vision(
    sample: Sample,
    rng: np.random.Generator,
    *,
    strength: Share = 1.0,
    colour: Share = 0.0,
    stretch: Share = 0.5,
    gain: Annotated[float, Field(gt=0)] = 0.6,
    references: tuple[NDArray[np.float32], ...] = (),
) -> bool:
    """Make a day picture one of the night, by the histograms of real night frames.

    colour: share of the day's colours that stays; infrared has none. stretch: each channel is
    stretched besides, by up to this share. Without real frames the picture becomes dim, flat and of
    a greenish grey; gain: how bright, against the day. Night frames are left as they are.
    """
    if is_night(sample.pixels):
        return False
    if references:
        wanted = references[int(rng.integers(len(references)))]
        night = matched(sample.pixels, wanted, strength=strength, colour=colour)
    else:
        night = _imitated(sample.pixels, rng, strength, gain)
    sample.pixels = channel_stretch(night, rng, limit=stretch)
    return True


def _imitated(pixels: Pixels, rng: np.random.Generator, strength: float, gain: float) -> Pixels:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # Infrared lamps light the middle of the deck and little else.
    height, width = grey.shape
    y, x = np.ogrid[:height, :width]
    cy, cx = rng.uniform(0.3, 0.7, 2)
    far = ((x / width - cx) ** 2 + (y / height - cy) ** 2).astype(np.float32)
    grey *= np.float32(gain) * np.clip(1.1 - 1.6 * far, 0.15, 1)
    tint = np.array((rng.uniform(0.75, 1), 1, rng.uniform(0.75, 1)), np.float32)
    night = np.clip(grey[..., None] * tint + 8, 0, 255)
    return np.asarray(cv2.addWeighted(
        night.astype(np.uint8), strength, pixels, 1 - strength, 0
    ), np.uint8)  # fmt: skip
