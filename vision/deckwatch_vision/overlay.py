"""The answer as a picture: the photograph with its fish outlined and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deckwatch_vision.boxes import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from deckwatch_vision.result import Fish


def draw_fish(image: NDArray[np.uint8], fish: Sequence[Fish]) -> NDArray[np.uint8]:
    """A copy of an upright RGB picture [H,W,3] with a box and a caption for every fish."""
    boxes = np.array([one.box for one in fish], np.float32).reshape(-1, 4)
    return draw(image, boxes, [f"{one.label} {one.score:.2f}" for one in fish])
