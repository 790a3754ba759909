"""Whether a scene has changed: which share of the picture looks different."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Cells of the small grey copy that is compared: the noise of a camera averages out in them, and a
# fish of a thirtieth of the picture's width still fills one.
COLUMNS, ROWS = 64, 36
# Grey levels of 256 by which a cell has to differ; compression alone stays under 8.
DIFFERENT = 20
# A scene that stands still is looked at after so many seconds all the same.
LONGEST_S = 30.0


class SceneChange:
    """Compares frames with the last one that was taken; one for a video, frames in order."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._taken: NDArray[np.int16] | None = None
        self._taken_s = 0.0

    def take(self, pixels: Pixels, time_s: float) -> bool:
        """Whether to take this frame [H,W,3]: enough has changed, or nothing did for long.

        What changed is the share of the cells whose mean grey differs by `DIFFERENT` or more.
        """
        grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        cells = cv2.resize(grey, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.int16)
        if self._taken is not None and time_s - self._taken_s < LONGEST_S:
            changed = np.mean(np.abs(cells - self._taken) >= DIFFERENT)
            if changed < self._share:
                return False
        self._taken, self._taken_s = cells, time_s
        return True
