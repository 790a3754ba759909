"""A step as a user would write it, for the workers of test_engines to load by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def shade(
    pixels: NDArray[np.uint8], boxes: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Darken a random column to the right of it all."""
    changed = pixels.copy()
    changed[:, int(rng.integers(pixels.shape[1])) :] //= 2
    return changed, boxes
