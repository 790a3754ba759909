"""overlays/: every picture with its fish outlined and named, as JPEG in the pictures' folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deckwatch_client.formats.contract import Job
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.pixel_work import PixelWork
from deckwatch_client.formats.places import jpeg
from deckwatch_client.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = "overlays"


class OverlaysWriter:
    """A folder, which appears when it is finished."""

    def __init__(self, job: Job) -> None:
        self._folder = WholeFolder(job.out / FOLDER)
        self._work = PixelWork(job.pixels, self._draw)

    def write(self, record: Record) -> None:
        """Take one record; one that failed cannot be drawn."""
        if record.result is not None:
            self._work.submit(record)

    def close(self) -> None:
        """Wait for the last, and move the folder into place."""
        self._work.close()
        self._folder.close()

    def abort(self) -> None:
        """Drop it."""
        self._work.abort()
        self._folder.abort()

    def _draw(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        from deckwatch_vision.images import encode_jpeg
        from deckwatch_vision.overlay import draw_fish

        path = self._folder.part / jpeg(record.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fish = record.result.fish if record.result else ()
        path.write_bytes(encode_jpeg(draw_fish(pixels, fish), subsampling="420"))


def open_writer(job: Job) -> OverlaysWriter:
    """Write DIR/overlays/."""
    return OverlaysWriter(job)
