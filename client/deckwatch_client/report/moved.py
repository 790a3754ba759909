"""Pictures of a run whose folder has been moved since."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Record
from deckwatch_vision.errors import UnreadableImage
from deckwatch_vision.release import sha256_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MovedPictures(PixelSource):
    """Looks below a folder for the longest end of each name that is there.

    `/media/disk/trip/deck-1/a.jpg` is found as `DIR/trip/deck-1/a.jpg`, `DIR/deck-1/a.jpg` or
    `DIR/a.jpg`. Cameras give the same names again and again, so a picture's content has to be the
    one that was recognised.
    """

    def path(self, name: str) -> str:
        """Where it lies now; where it is nowhere, where it was looked for first."""
        if self.base is None or "://" in name:
            return super().path(name)
        parts = [part for part in Path(name).parts if part not in (os.sep, os.pardir)]
        ends = [self.base.joinpath(*parts[first:]) for first in range(len(parts))]
        first = ends[0] if ends else self.base
        return str(next((end for end in ends if os.path.isfile(end)), first))

    def pixels(self, record: Record) -> NDArray[np.uint8]:
        """See PixelSource. Raises UnreadableImage also where another picture has this name."""
        found = super().pixels(record)
        told = record.result.image.sha256 if record.result else None
        if told and record.moment is None and sha256_file(self.path(record.name)) != told:
            raise UnreadableImage(
                f"{self.path(record.name)} is another picture of that name. Give the folder that "
                "holds the run's pictures."
            )
        return found
