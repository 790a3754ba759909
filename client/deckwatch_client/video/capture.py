"""One video opened: its frames in order, each with its time, turned into pixels only on demand.

OpenCV's FFmpeg decodes. Both are told to be silent: what befell a video is told as data.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

# Read by FFmpeg's log once, at the first video: its complaints about each torn block would bury
# the program's own words. A user who wants them sets the variable.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from deckwatch_vision.errors import BrokenVideo, TooManyPixels, UnreadableImage
from deckwatch_vision.images import MAX_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


class Capture:
    """A video file, read from its start; use it in one thread and as a context manager.

    time_s: seconds since the start, of the frame grabbed last.
    frame: its number, from 0.

    Raises:
        UnreadableImage: the file is missing, a directory or not permitted.
        BrokenVideo: it is no video, or its index is lost.
        TooManyPixels: its frames are over the budget.
    """

    def __init__(self, path: str) -> None:
        check_readable(path)
        # "file:" keeps a name with a colon from being taken for a protocol.
        self._video = open_silently(f"file:{path}")
        if not self._video.isOpened():
            raise BrokenVideo(
                "it holds no video that can be read. If a recorder lost power while it wrote an "
                "MP4, the index at its end is missing: mend it with a tool such as untrunc, or "
                "record to MKV."
            )
        width, height = self._get(cv2.CAP_PROP_FRAME_WIDTH), self._get(cv2.CAP_PROP_FRAME_HEIGHT)
        if width * height > MAX_PIXELS:
            self._video.release()
            raise TooManyPixels(
                f"its frames have {width:.0f} x {height:.0f} pixels; at most {MAX_PIXELS:,} are "
                "accepted. Scale the video down."
            )
        self._fps = self._get(cv2.CAP_PROP_FPS)
        self.time_s = -1.0
        self.frame = -1

    def grab(self) -> bool:
        """Decode the next frame; False where there is none."""
        if not self._video.grab():
            return False
        self.frame += 1
        time_s = self._get(cv2.CAP_PROP_POS_MSEC) / 1000
        if time_s <= self.time_s:
            # A file without times, or one that says the same time twice.
            time_s = self.time_s + self._interval
        self.time_s = max(0.0, time_s)
        return True

    def pixels(self) -> Pixels:
        """The frame grabbed last, upright RGB [H,W,3]. Raises BrokenVideo."""
        got, pixels = self._video.retrieve()
        if not got:
            raise BrokenVideo(f"the frame at {self.time_s:.3f} s cannot be decoded.")
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        self._video.release()

    @property
    def _interval(self) -> float:
        """Seconds from frame to frame, where the container says it; else a 25th."""
        return 1 / self._fps if 0 < self._fps <= 1000 else 0.04

    def _get(self, which: int) -> float:
        return float(self._video.get(which))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def check_readable(path: str) -> None:
    """Raises UnreadableImage where there is no such file, or it cannot be opened."""
    try:
        with open(path, "rb"):
            return
    except FileNotFoundError:
        raise UnreadableImage("there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise UnreadableImage("this is a directory. Name the videos in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(
            f"it cannot be read ({reason}). Check the path and the disk."
        ) from None


def open_silently(name: str, parameters: Sequence[int] = ()) -> cv2.VideoCapture:
    """FFmpeg's reader of a file or URL, whether it could open it or not; OpenCV says nothing."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved it
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG, list(parameters))
    finally:
        log.setLogLevel(level)
