"""Frames of a video: the ones to recognise, and one of them again later.

for taken in sample("trip/haul.mp4", VideoOptions(rate_hz=2), after=None):
    if isinstance(taken, Lost):   # a span of the video that could not be read
        record = Record(taken.name, failure=Failure.of(taken.error), moment=taken.moment)
    else:
        record = Record(taken.name, result=..., moment=taken.moment, looks=taken.looks)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from deckwatch_client.records import Moment, frame_name
from deckwatch_client.video.capture import Capture
from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import BrokenVideo, ImageError
from deckwatch_vision.likeness import perceptual_hash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Times are kept to a thousandth of a second, as frames' names are.
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: when, upright RGB uint8 [H,W,3], and its perceptual hash in 16 hex digits."""

    moment: Moment
    pixels: Pixels
    looks: str

    @property
    def name(self) -> str:
        """Its name in a run."""
        return frame_name(self.moment.video, self.moment.time_s)


@dataclass(frozen=True, slots=True)
class Lost:
    """Frames that could not be read: from when, why, and until when as far as it is known."""

    moment: Moment
    error: ImageError
    until_s: float | None = None

    @property
    def name(self) -> str:
        """Its name in a run."""
        return frame_name(self.moment.video, self.moment.time_s)


def sample(source: str, options: VideoOptions, *, after: Moment | None) -> Iterator[Frame | Lost]:
    """The frames to recognise, in order of time, and the spans that are lost.

    Taken is the first frame at or after each point of a grid of `rate_hz` points a second, which
    starts with the video. What is taken depends on the video and the options alone.

    Args:
        source: path of the file; it is put into the moments as given.
        options: how often, and for how long.
        after: go on after this moment of an earlier run: what comes is exactly what came after it
            there.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: nothing of the video can be read.
    """
    with Capture(source) as video:
        due = 0
        while video.grab():
            time_s = round(video.time_s, DIGITS)
            if options.seconds is not None and time_s >= options.seconds:
                return
            point = grid_point(time_s, options.rate_hz)
            if point < due:
                continue
            due = point + 1
            if after is None or time_s > after.time_s:
                yield _frame(video, Moment(source, time_s, video.frame))


def grid_point(time_s: float, rate_hz: float) -> int:
    """The number of the last point of the grid at or before this time."""
    # A thousandth of a point is less than containers round their times by.
    return int(time_s * rate_hz + 1e-3)


class FrameReader:
    """Frames of one file by their moments: fast in rising order, started anew when asked for less.

    Use it in one thread and as a context manager.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: as `sample`.
    """

    def __init__(self, video: str) -> None:
        self._path = video
        self._video = Capture(video)

    def pixels(self, moment: Moment) -> Pixels:
        """Upright RGB uint8 [H,W,3] of the frame that `sample` gave with this moment.

        Raises:
            BrokenVideo: there is no such frame: the file was changed since.
        """
        if round(self._video.time_s, DIGITS) > moment.time_s:
            self._video.close()
            self._video = Capture(self._path)
        while round(self._video.time_s, DIGITS) < moment.time_s:
            if not self._video.grab():
                break
        if round(self._video.time_s, DIGITS) != moment.time_s:
            raise BrokenVideo(
                f"{self._path} has no frame at {moment.time_s:.3f} s. Run again: the file is not "
                "the one that the results were made of."
            )
        return self._video.pixels()

    def close(self) -> None:
        """Let go of the file."""
        self._video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _frame(video: Capture, moment: Moment) -> Frame:
    pixels = video.pixels()
    return Frame(moment, pixels, f"{perceptual_hash(pixels):016x}")
