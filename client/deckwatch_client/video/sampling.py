"""Which frames of a video are taken: in the decoder's own process, see `decoder`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from deckwatch_client.video.capture import Capture
from deckwatch_client.video.damage import Complaints, Torn, sound_frames
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.scenes import SceneChange
from deckwatch_vision.errors import BrokenVideo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Times are kept to a thousandth of a second, as frames' names are.
DIGITS = 3


class Taken(NamedTuple):
    """A frame that is taken: seconds, number, upright RGB uint8 [H,W,3], seconds between frames."""

    time_s: float
    frame: int
    pixels: Pixels
    interval_s: float


class Passed(NamedTuple):
    """A frame that is not taken, for whoever wants to know how far it is."""

    time_s: float


def taken_frames(
    video: Capture, options: VideoOptions, complaints: Complaints, after_s: float | None
) -> Iterator[Taken | Torn | Passed]:
    """The frames on the grid of `options` after a time, and the torn spans after it.

    What came before that time is decided again rather than remembered, so that what comes after is
    the same as in a run from the start.
    """
    scenes = None if options.scene_change is None else SceneChange(options.scene_change)
    due = 0
    for each in sound_frames(video, complaints):
        time_s = round(each.time_s, DIGITS)
        if options.seconds is not None and time_s >= options.seconds:
            return
        wanted = after_s is None or time_s > after_s
        if isinstance(each, Torn):
            if wanted:
                until_s = None if each.until_s is None else round(each.until_s, DIGITS)
                yield Torn(time_s, each.frame, until_s)
            continue
        point = grid_point(time_s, options.rate_hz)
        pixels = None
        if point >= due:
            due = point + 1
            pixels = pixels_of(video) if wanted or scenes is not None else None
        if pixels is None or (scenes and not scenes.take(pixels, time_s)) or not wanted:
            yield Passed(time_s)
        else:
            yield Taken(time_s, each.frame, pixels, video.interval_s)


def grid_point(time_s: float, rate_hz: float) -> int:
    """The number of the last point of the grid at or before this time."""
    # A thousandth of a point is less than containers round their times by.
    return int(time_s * rate_hz + 1e-3)


def pixels_of(video: Capture) -> Pixels | None:
    """The frame grabbed last; None where OpenCV cannot give it after all."""
    try:
        return video.pixels()
    except BrokenVideo:
        return None
