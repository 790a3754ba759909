"""One video opened: its frames in order, each with its time, turned into pixels only on demand.

OpenCV's FFmpeg decodes; of a frame that nobody looks at only the decoding is paid for.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from deckwatch_client.video.fragments import covered, holes
from deckwatch_serving.cores import available_cores
from deckwatch_vision.errors import BrokenVideo, TooManyPixels, UnreadableImage
from deckwatch_vision.images import MAX_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# More decode faster than the rest of a run can follow.
THREADS = min(4, available_cores())
# Decoders hold back frames to put them in order; more than this are rare among cameras.
REORDERED = 4
# Grabs that fail one after another before a file counts as ended: 10 ms, or minutes of torn frames.
ATTEMPTS = 10_000
# A step back of the clock by more than this many seconds is a new recording, less is jitter.
JITTER_S = 1.0
# Ten years: no time of a video.
FAR_S = 3e8


class Capture:
    """A video file or stream, read from its start; use it in one thread.

    Args:
        name: how FFmpeg calls it.
        parameters: of OpenCV's, in pairs.
        threads: that decode.
        holes: see below.
        stall_s: seconds without a frame after which a stream counts as ended.

    Attributes:
        time_s: seconds since the start, of the frame grabbed last; -1 before the first.
        frame: its number, from 0.
        interval_s: from frame to frame, as the container says.
        duration_s: as the container says; None where it does not.
        holes: whether pieces of the file were left out, so that leaps of the time are losses.
        lead: by how many frames FFmpeg's complaints may precede the frame that they are about; None
            with several threads, where it is not the same each time.

    Raises:
        BrokenVideo: nothing that can be read is there.
        TooManyPixels: its frames are over the budget.
    """

    def __init__(
        self,
        name: str,
        parameters: Sequence[int] = (),
        *,
        threads: int = THREADS,
        holes: bool = False,
        stall_s: float | None = None,
    ) -> None:
        self._video = _open(name, [cv2.CAP_PROP_N_THREADS, threads, *parameters])
        if not self._video.isOpened():
            raise BrokenVideo("it holds no video that can be read.")
        self._video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # upright; OpenCV 4 leaves it off
        self._check(self._get(cv2.CAP_PROP_FRAME_WIDTH) * self._get(cv2.CAP_PROP_FRAME_HEIGHT))
        fps, frames = self._get(cv2.CAP_PROP_FPS), self._get(cv2.CAP_PROP_FRAME_COUNT)
        # Seconds from frame to frame where the container says it, else a 25th.
        self.interval_s = 1 / fps if 0 < fps <= 1000 else 0.04
        # What the container says; None where it does not.
        self.duration_s = frames * self.interval_s if 0 < frames < 1e9 else None
        alone = int(self._get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*"MJPG")
        self.lead = None if threads > 1 else 1 if alone else REORDERED
        self.holes = holes
        self._stall_s = stall_s
        self._offset = 0.0
        self.time_s = -1.0
        self.frame = -1

    def next_frame(self) -> int | None:
        """Decode the next frame that can be; how many tries failed before, or None at the end."""
        started = time.monotonic()
        for missed in range(ATTEMPTS):
            if self._video.grab():
                self.frame += 1
                self.time_s = self._time()
                return missed
            if self._stall_s is not None and time.monotonic() - started > self._stall_s:
                break
        return None

    @property
    def key(self) -> bool:
        """Whether the frame grabbed last was coded without the help of others."""
        return int(self._get(cv2.CAP_PROP_FRAME_TYPE)) == ord("I")

    def pixels(self) -> Pixels:
        """The frame grabbed last, upright RGB [H,W,3]. Raises BrokenVideo, TooManyPixels."""
        got, pixels = self._video.retrieve()
        if not got or pixels is None:  # OpenCV has said yes to nothing
            raise BrokenVideo(f"the frame at {self.time_s:.3f} s cannot be decoded.")
        self._check(pixels.shape[0] * pixels.shape[1])  # a stream may change its size
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Let go of the file."""
        self._video.release()

    def _time(self) -> float:
        """The container's presentation time, made to rise where it does not.

        Without times in the container, and at the same time again, one interval is added. After a
        leap back (recordings joined end to end) the new times go on after the old ones. A time far
        behind the container's own end is damage.
        """
        told_s = self._get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.frame == 0:
            return told_s if 0 < told_s < FAR_S else 0.0
        next_s = self.time_s + self.interval_s
        if not -FAR_S < told_s < FAR_S:  # how some versions of OpenCV say that there is none
            return next_s
        told_s += self._offset
        if self.duration_s is not None and told_s > 1.5 * self.duration_s + 60:
            return next_s
        if told_s > self.time_s:
            return told_s
        if self.time_s - told_s > JITTER_S:
            self._offset += next_s - told_s
        return next_s

    def _check(self, pixels: float) -> None:
        if pixels > MAX_PIXELS:
            self.close()
            raise TooManyPixels(
                f"its frames have {pixels:,.0f} pixels; at most {MAX_PIXELS:,} are accepted. "
                "Scale the video down."
            )

    def _get(self, which: int) -> float:
        return float(self._video.get(which))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_file(path: str, *, threads: int = THREADS) -> Capture:
    """A video file, decoded by some threads.

    Raises:
        UnreadableImage: it is missing, a directory or not permitted.
        BrokenVideo: it is no video, or its index is lost.
        TooManyPixels: its frames are over the budget.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except FileNotFoundError:
        raise UnreadableImage("there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise UnreadableImage("this is a directory. Name the videos in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableImage(
            f"it cannot be read ({reason}). Check the path and the disk."
        ) from None
    mp4 = start[4:8] == b"ftyp"
    gone = holes(path) if mp4 else []
    try:
        # A hole up to the end is a file cut short, which FFmpeg can read.
        if gone and gone != [(gone[0][0], os.path.getsize(path))]:
            with tempfile.TemporaryDirectory(prefix="deckwatch-video-") as folder:
                return Capture(covered(path, gone, folder), threads=threads, holes=True)
        # "file:" keeps a name with a colon from being taken for a protocol.
        return Capture(f"file:{path}", threads=threads)
    except BrokenVideo:
        if gone is None:
            raise BrokenVideo(
                "the index of this MP4 is missing or damaged, as when a recorder loses power. "
                "Mend it with a tool such as untrunc; MKV and fragmented MP4 survive that."
            ) from None
        raise BrokenVideo(
            "it holds no video that can be read. Copy it again, or convert it to MP4 or MKV."
        ) from None


def _open(name: str, parameters: Sequence[int]) -> cv2.VideoCapture:
    """FFmpeg's reader, whether it could open it or not; OpenCV's own log says nothing."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 moved it
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG, parameters)
    finally:
        log.setLogLevel(level)
