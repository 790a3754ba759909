"""overlays/: every picture with its fish outlined and named, as JPEG in the pictures' folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deckwatch_client.formats.contract import Job
from deckwatch_client.formats.pixel_folder import PixelFolder
from deckwatch_client.formats.places import jpeg
from deckwatch_client.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "overlays"


class OverlaysWriter(PixelFolder):
    """The overlays of a run."""

    def wants(self, record: Record) -> bool:
        """All but what failed, which cannot be drawn."""
        return record.result is not None

    def make(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        """See `PixelFolder.make`."""
        from deckwatch_vision.images import encode_jpeg
        from deckwatch_vision.overlay import draw_fish

        path = self.part / jpeg(record.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fish = record.result.fish if record.result else ()
        path.write_bytes(encode_jpeg(draw_fish(pixels, fish), subsampling="420"))


def open_writer(job: Job) -> OverlaysWriter:
    """Write DIR/overlays/."""
    return OverlaysWriter(job, FOLDER)
