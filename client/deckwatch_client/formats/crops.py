"""crops/: a JPEG for every fish, cut from the full picture with some of what is around it.

PICTURE__N_LABEL.jpg in the folders of the pictures: N counts the picture's fish from 1, best first.
The window is square, as the classifier sees it; what lies outside the picture is grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deckwatch_client.formats.contract import FormatOptions, Job
from deckwatch_client.formats.pixel_folder import PixelFolder
from deckwatch_client.formats.places import place
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "crops"


class CropsWriter(PixelFolder):
    """The crops of a run."""

    def __init__(self, job: Job) -> None:
        self._context = job.options.context
        super().__init__(job, FOLDER)

    def wants(self, record: Record) -> bool:
        """Those with fish."""
        return record.result is not None and bool(record.result.fish)

    def make(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        """See `PixelFolder.make`."""
        from deckwatch_vision.boxes import crop
        from deckwatch_vision.images import encode_jpeg

        base = self.part / place(record.name)
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
