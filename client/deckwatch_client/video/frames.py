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
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.reader import Decoder
from deckwatch_vision.errors import BrokenVideo, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


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
        """Its name in a run; no frame has it."""
        return frame_name(self.moment.video, self.moment.time_s)


def sample(source: str, options: VideoOptions, *, after: Moment | None) -> Iterator[Frame | Lost]:
    """The frames to recognise, in order of time, and the spans that are lost.

    Taken is the first sound frame at or after each point of a grid of `rate_hz` points a second,
    which starts with the video; with `scene_change` only where enough has changed. What is taken
    depends on the video and the options alone. A process of its own decodes, one frame ahead.

    Args:
        source: path of the file; it is put into the moments as given.
        options: how often, and for how long.
        after: go on after this moment of an earlier run: what comes is exactly what came after it
            there.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: nothing of the video can be read; never after
            the first frame.
    """
    last = after
    after_s = after.time_s if after else None
    with Decoder(source, options=options.as_dict(), after_s=after_s) as decoder:
        try:
            while (answer := decoder.answer())[0]["kind"] != "end":
                told, pixels = answer
                last = Moment(source, float(told["time_s"]), int(told["frame"]))
                if pixels is not None:
                    yield Frame(last, pixels, str(told["looks"]))
                else:
                    yield _lost(last, told["until_s"])
        except ImageError as error:
            if last is None:
                raise
            # A thousandth later, so that it has a name of its own.
            at = Moment(source, round(last.time_s + 0.001, 3), last.frame + 1)
            yield Lost(at, error)


def _lost(start: Moment, until_s: float | None) -> Lost:
    end = "the end" if until_s is None else f"{until_s:.3f} s"
    sentence = (
        f"frames from {start.time_s:.3f} s to {end} could not be read: the file is damaged there. "
        "Copy it again from where it was recorded."
    )
    return Lost(start, BrokenVideo(sentence), until_s)


class FrameReader:
    """Frames of one file by their moments: fast in rising order, started anew when asked for less.

    Use it in one thread and as a context manager.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: as `sample`.
    """

    def __init__(self, video: str) -> None:
        self._decoder = Decoder(video)
        try:
            self._decoder.answer()
        except ImageError:
            self.close()
            raise

    def pixels(self, moment: Moment) -> Pixels:
        """Upright RGB uint8 [H,W,3] of the frame that `sample` gave with this moment.

        Raises:
            BrokenVideo: there is no such frame: the file was changed since.
        """
        self._decoder.ask(time_s=moment.time_s)
        pixels = self._decoder.answer()[1]
        if pixels is None:
            raise BrokenVideo(
                f"{moment.video} has no frame at {moment.time_s:.3f} s. Run again: the file is not "
                "the one that the results were made of."
            )
        return pixels

    def close(self) -> None:
        """Let go of the file."""
        self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
