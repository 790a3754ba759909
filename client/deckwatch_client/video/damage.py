"""Past the damage of a video: the frames that are sound, and the spans that are not.

FFmpeg hides damage: it repairs torn frames as well as it can (grey blocks, smears), and everything
until the next key frame is built on them. OpenCV hands such frames out as good ones. What tells
them apart is what FFmpeg writes to its log meanwhile. So: from a complaint on, and from a frame
that cannot be decoded, frames are left out until a key frame that came well after it. H.265 and VP9
decode almost anything without a complaint: docs/video.md says how much goes unnoticed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from deckwatch_client.video.capture import Capture

# Said of sound video: a header of a maker's own, a stream joined between two key frames, a camera
# that counts its references wrongly, colours, and an end that comes early, which is told apart.
HARMLESS = re.compile(
    r"unable to decode APP|mmco: unref|number of reference frames|co located POC|SEI type|"
    r"non-existing [PS]PS|no frame!|deprecated pixel format|VUI|File ended prematurely|"
    r"partial file|timestamp|DTS|Found duplicated MOOV"
)
# Streams that refresh row by row have no key frames: so long after a complaint they have healed.
HEALED_S = 10.0
# A file that ends so many seconds before its container says so was cut off.
SHORT_S = 2.0
_LOG_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Sound:
    """A frame that is as the camera recorded it: seconds, number. Its pixels are the capture's."""

    time_s: float
    frame: int


@dataclass(frozen=True, slots=True)
class Torn:
    """Frames that are not there or not sound: from a time and number, until a time if known."""

    time_s: float
    frame: int
    until_s: float | None


class Disturbed(Exception):  # noqa: N818
    """There is damage somewhere ahead of the frames given so far."""


class Complaints:
    """What FFmpeg writes to standard error, taken away from there; for a process of its own."""

    def __init__(self) -> None:
        # Appending: the file is emptied at each look, and FFmpeg goes on at its start.
        self._log = tempfile.TemporaryFile("ab+", prefix="deckwatch-ffmpeg-")  # noqa: SIM115

    def close(self) -> None:
        """Let go of the file."""
        self._log.close()

    def redirect(self) -> None:
        """Let this process' standard error lead here from now on."""
        os.dup2(self._log.fileno(), 2)

    def heard(self) -> bool:
        """Whether it complained since the last look about anything that damages frames."""
        if not os.fstat(self._log.fileno()).st_size:
            return False
        text = os.pread(self._log.fileno(), _LOG_BYTES, 0).decode(errors="replace")
        self._log.truncate(0)
        return any(line and not HARMLESS.search(line) for line in text.splitlines())


def sound_frames(video: Capture, complaints: Complaints) -> Iterator[Sound | Torn]:
    """The sound frames in order, and what is torn between them, told when it is over.

    Raises:
        Disturbed: there is damage, and several threads are decoding: by one thread it can be told
            where.
    """
    complaints.heard()  # what was said while opening is said again of the frames
    torn: Torn | None = None
    settled, complained_s, last_s = 0, 0.0, -video.interval_s
    while (missed := video.next_frame()) is not None:
        leapt = video.holes and video.time_s - last_s > 2.5 * video.interval_s
        complained = complaints.heard()
        if complained or missed or leapt:
            if video.lead is None:
                raise Disturbed
            start_s = last_s + video.interval_s if missed or leapt else video.time_s
            torn = torn or Torn(start_s, video.frame, None)
            settled = max(settled, video.frame + (video.lead if complained else 0))
            complained_s = video.time_s
        if torn is not None:
            healed = video.time_s - complained_s > HEALED_S
            if not healed and not (video.key and video.frame >= settled):
                continue
            # Times in between are guesses; they must lie between those of the sound frames.
            start_s = min(torn.time_s, (last_s + video.time_s) / 2)
            yield Torn(max(0.0, start_s), torn.frame, video.time_s)
            torn = None
        last_s = video.time_s
        yield Sound(video.time_s, video.frame)
    end_s = last_s + video.interval_s
    if torn is not None:
        yield Torn(torn.time_s, torn.frame, video.duration_s)
    elif video.duration_s is not None and end_s + SHORT_S < video.duration_s:
        yield Torn(end_s, video.frame + 1, video.duration_s)
