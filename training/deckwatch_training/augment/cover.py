"""Steps that hide a part of the picture."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from deckwatch_training.augment.samples import Sample, fill
from deckwatch_training.augment.steps import Range, Whole, step

_BOX = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1)), np.float64) / 2


@step("cutout", cuts=True)
def cutout(
    sample: Sample,
    rng: np.random.Generator,
    *,
    number: Whole = (1, 3),
    size: Range = (0.05, 0.25),
    slender: Annotated[float, Field(ge=1)] = 3.0,
) -> bool:
    """Hide parts behind slanted bars of a colour from the picture, as gloves, ropes and rails do.

    size: of the longer side, in shares of the picture's; slender: longest over shortest side. What
    a bar hides of a fish counts as no longer visible.
    """
    width, height = sample.size
    bars = []
    for _ in range(int(rng.integers(number[0], number[1] + 1))):
        long = float(rng.uniform(*size)) * max(width, height)
        sides = np.array((long, long / float(rng.uniform(1, slender))))
        angle = float(rng.uniform(0, np.pi))
        turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
        middle = rng.uniform((0, 0), (width, height))
        bars.append((_BOX * sides) @ turn.T + middle)
    pixels = sample.pixels.copy()
    for bar in bars:
        # A colour of this very picture: a net could learn that only black squares hide fish.
        x, y = int(rng.integers(width)), int(rng.integers(height))
        colour = tuple(int(v) for v in sample.pixels[y, x])
        fill(pixels, bar, colour)
    sample.pixels = pixels
    sample.cover(np.array(bars))
    return True
