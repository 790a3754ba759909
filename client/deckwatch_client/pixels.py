"""The pixels that a record was made from, for whatever shows or cuts them.

pixels = PixelSource(Path("season"))
pixels.pixels(record)  # RGB uint8 [H, W, 3], upright
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deckwatch_client.logs import speaker
from deckwatch_client.pictures import printable, read_picture
from deckwatch_client.records import Moment, Record
from deckwatch_vision.errors import DeckwatchError, UnreadableImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deckwatch_client.video.frames import FrameReader

# A disk that was taken out would otherwise be told of once for every picture.
TOLD = 5


class PixelSource:
    """Reads pictures by their path and frames from their video; may be shared between threads.

    Frames of one video come fastest in rising order: then it is decoded once, front to back.

    Args:
        base: the folder that the records' paths start from; None takes the working folder.
        tell: takes a sentence for each of the first few pictures that cannot be read; by default
            the process' speaker says it.

    `gone` counts those that `missing` was told of.
    """

    def __init__(self, base: Path | None = None, tell: Callable[[str], None] | None = None) -> None:
        self.base = base
        self.gone = 0
        self._tell = tell or _say
        self._lock = threading.Lock()
        self._video: tuple[str, FrameReader] | None = None
        self._frame: tuple[Moment, NDArray[np.uint8]] | None = None

    def path(self, name: str) -> str:
        """Where a picture or video of the run lies; URLs and absolute paths as they are."""
        return name if self.base is None or "://" in name else os.path.join(self.base, name)

    def pixels(self, record: Record) -> NDArray[np.uint8]:
        """The picture or frame of a record: RGB uint8 [H, W, 3], upright.

        Raises:
            DeckwatchError: it is gone, cannot be read any more, or has another size than it had
                when it was recognised, so that boxes would be off.
        """
        found = self._of(record)
        height, width = found.shape[:2]
        told = record.result.image if record.result else None
        if told is not None and (told.width, told.height) != (width, height):
            raise UnreadableImage(
                f"it has {width} x {height} pixels now, and had {told.width} x {told.height} when "
                "it was recognised. Recognise it again, or give the folder of the same pictures."
            )
        return found

    def missing(self, record: Record, error: DeckwatchError) -> None:
        """Count a picture that could not be read, and tell of the first few."""
        with self._lock:
            self.gone += 1
            place = self.gone
        if place <= TOLD:
            self._tell(f"{printable(record.name)}: {error.message}")
        if place == TOLD:
            self._tell("More pictures that cannot be read are only counted.")

    def close(self) -> None:
        """Let go of an open video."""
        with self._lock:
            if self._video is not None:
                self._video[1].close()
            self._video = self._frame = None

    def _of(self, record: Record) -> NDArray[np.uint8]:
        if record.moment is not None:
            with self._lock:
                return self._of_video(record.moment)
        from deckwatch_vision.images import decode

        return decode(read_picture(self.path(record.name)))

    def _of_video(self, moment: Moment) -> NDArray[np.uint8]:
        # Crops and overlays ask for the same frame one after the other.
        if self._frame is not None and self._frame[0] == moment:
            return self._frame[1]
        if self._video is None or self._video[0] != moment.video:
            from deckwatch_client.video.frames import FrameReader

            if self._video is not None:
                self._video[1].close()
            self._video = (moment.video, FrameReader(self.path(moment.video)))
        found = self._video[1].pixels(moment)
        self._frame = (moment, found)
        return found


def _say(text: str) -> None:
    speaker().warning("picture gone", text)
