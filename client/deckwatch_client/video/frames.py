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
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from deckwatch_client.records import Moment, frame_name
from deckwatch_client.video import is_stream, public_name
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
    def captured_at(self) -> str | None:
        """The time by the clock, ISO 8601 in UTC, of a stream's frame; None for a file's."""
        return captured_at(self.moment)

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
    def captured_at(self) -> str | None:
        """As of a frame: when it began."""
        return captured_at(self.moment)

    @property
    def name(self) -> str:
        """Its name in a run; no frame has it."""
        return frame_name(self.moment.video, self.moment.time_s)


def sample(source: str, options: VideoOptions, *, after: Moment | None) -> Iterator[Frame | Lost]:
    """The frames to recognise, in order of time, and the spans that are lost.

    Of a file it is the first sound frame at or after each point of a grid of `rate_hz` points a
    second, which starts with the video; with `scene_change` only where enough has changed. What is
    taken depends on the video and the options alone. A process of its own decodes, a frame ahead.

    Of a live stream (see `live`) it is the newest frame when one is due. Times are seconds since
    1970 by this machine's clock. It ends after `options.seconds`, or lost for ten minutes.

    Args:
        source: path of the file, put into the moments as given; or URL of the stream, put there
            without its secrets (see `public_name`).
        options: how often, and for how long.
        after: go on after this moment of an earlier run: what comes is exactly what came after it
            there.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: nothing of the video can be read; never after
            the first frame.
    """
    last = after
    after_s = after.time_s if after else None
    video = public_name(source)
    with Decoder(source, options=options.as_dict(), after_s=after_s) as decoder:
        try:
            while True:
                if is_stream(source):
                    decoder.ask(more=True)  # what came meanwhile is passed over
                told, pixels = decoder.answer()
                if told["kind"] == "end":
                    return
                last = Moment(video, float(told["time_s"]), int(told["frame"]))
                if pixels is not None:
                    yield Frame(last, pixels, str(told["looks"]))
                else:
                    yield _lost(last, told["until_s"])
        except ImageError as error:
            if last is None:
                raise
            # A thousandth later, so that it has a name of its own.
            at = Moment(video, round(last.time_s + 0.001, 3), last.frame + 1)
            yield Lost(at, error)


def captured_at(moment: Moment) -> str | None:
    """When a stream's frame was taken, ISO 8601 in UTC; None for a file's, which says no date."""
    return iso_time(moment.time_s) if is_stream(moment.video) else None


def iso_time(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, to the thousandth."""
    told = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def _lost(start: Moment, until_s: float | None) -> Lost:
    if is_stream(start.video):
        end = "it was given up" if until_s is None else iso_time(until_s)
        why = "the stream was interrupted. Check the camera and the network if this happens often."
        begin = iso_time(start.time_s)
    else:
        end = "the end" if until_s is None else f"{until_s:.3f} s"
        why = "the file is damaged there. Copy it again from where it was recorded."
        begin = f"{start.time_s:.3f} s"
    sentence = f"frames from {begin} to {end} could not be read: {why}"
    return Lost(start, BrokenVideo(sentence), until_s)


class FrameReader:
    """Frames of one file by their moments: fast in rising order, started anew when asked for less.

    Use it in one thread and as a context manager.

    Raises:
        UnreadableImage, BrokenVideo, TooManyPixels: as `sample`.
    """

    def __init__(self, video: str) -> None:
        if is_stream(video):
            raise BrokenVideo(f"{public_name(video)} is live: its past frames are gone.")
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
