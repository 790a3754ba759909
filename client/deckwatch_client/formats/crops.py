"""crops/: a JPEG for every fish, cut from the full picture with some of what is around it.

PICTURE__N_LABEL.jpg in the folders of the pictures: N counts the picture's fish from 1, best first.
The window is square, as the classifier sees it; what lies outside the picture is grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deckwatch_client.formats.contract import FormatOptions, Job
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.pixel_work import PixelWork
from deckwatch_client.formats.places import place
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "crops"


class CropsWriter:
    """A folder, which appears when it is finished."""

    def __init__(self, job: Job) -> None:
        self._context = job.options.context
        self._folder = WholeFolder(job.out / FOLDER)
        self._work = PixelWork(job.pixels, self._cut)

    def write(self, record: Record) -> None:
        """Take one record; without fish there is nothing to decode it for."""
        if record.result is not None and record.result.fish:
            self._work.submit(record)

    def close(self) -> None:
        """Wait for the last, and move the folder into place."""
        self._work.close()
        self._folder.close()

    def abort(self) -> None:
        """Drop it."""
        self._work.abort()
        self._folder.abort()

    def _cut(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        from deckwatch_vision.boxes import crop
        from deckwatch_vision.images import encode_jpeg

        base = self._folder.part / place(record.name)
        base.parent.mkdir(parents=True, exist_ok=True)
        for number, fish in enumerate(record.result.fish if record.result else (), 1):
            x1, y1, x2, y2 = fish.box
            # One pixel of the crop is one of the picture.
            side = max(2, round(max(x2 - x1, y2 - y1) * self._context))
            window = crop(pixels, fish.box, side, self._context)
            name = f"{base.name}__{number}_{place(fish.label)}.jpg"
            base.with_name(name).write_bytes(encode_jpeg(window))


def check(info: RunInfo, options: FormatOptions) -> None:
    """Raises UsageError for a context that cuts into the fish."""
    if not 1 <= options.context <= 10:
        raise UsageError(f"--context {options.context}: give 1 (tight) to 10.")


def open_writer(job: Job) -> CropsWriter:
    """Write DIR/crops/."""
    return CropsWriter(job)
