"""The decoder's process: one video in, its taken frames out, through a pair of pipes.

    python -P -m deckwatch_client.video.decoder < pipe > pipe

Decoding has a process of its own, since a torn file may crash FFmpeg, a dead camera may hang it,
and its log, which tells the torn frames from the sound ones, goes to standard error alone. It works
one frame ahead of its reader: the pipe holds no more.

In: one line of JSON with `source`, `options`, `after_s`; then the pipe is held open. When it is
closed the process ends. Out: JSON objects, each after its length in bytes; those that say `shape`
are followed by as many bytes of pixels. `kind` is "frame", "torn", "alive" (nothing else for a
while), "failed" or "end".
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, BinaryIO

from deckwatch_client.video.capture import open_file
from deckwatch_client.video.damage import Complaints, Torn
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.reader import LENGTH
from deckwatch_client.video.sampling import Passed, Taken, taken_frames
from deckwatch_vision.errors import ImageError, to_wire
from deckwatch_vision.likeness import perceptual_hash

# Seconds without a frame after which the reader hears that this process is still at work.
ALIVE_S = 5.0


class Speaker:
    """Writes what was found to the pipe."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._spoke = time.monotonic()

    def say(self, kind: str, pixels: memoryview | None = None, **told: Any) -> None:
        """One line, and the pixels behind it."""
        told_bytes = json.dumps({"kind": kind, **told}).encode()
        self._pipe.write(LENGTH.pack(len(told_bytes)) + told_bytes)
        if pixels is not None:
            self._pipe.write(pixels)
        self._pipe.flush()
        self._spoke = time.monotonic()

    def tell(self, found: Taken | Torn | Passed) -> None:
        """What sampling found."""
        if isinstance(found, Taken):
            looks = f"{perceptual_hash(found.pixels):016x}"
            self.say(
                "frame", found.pixels.data.cast("B"), time_s=found.time_s, frame=found.frame,
                looks=looks, shape=found.pixels.shape,
            )  # fmt: skip
        elif isinstance(found, Torn):
            self.say("torn", time_s=found.time_s, frame=found.frame, until_s=found.until_s)
        elif time.monotonic() - self._spoke > ALIVE_S:
            self.say("alive", time_s=found.time_s)


def main() -> int:
    """Serve one request; returns the exit status."""
    # The pipe keeps the number 1 free for whatever a library prints.
    speaker = Speaker(os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # With it set, OpenCV takes FFmpeg's log over and writes it elsewhere.
    os.environ.pop("OPENCV_FFMPEG_LOGLEVEL", None)
    os.environ.pop("OPENCV_FFMPEG_DEBUG", None)
    asked = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_leave_with_reader, daemon=True).start()

    complaints = Complaints()
    complaints.redirect()
    try:
        with open_file(asked["source"]) as video:
            options = VideoOptions(**asked["options"])
            for found in taken_frames(video, options, complaints, asked["after_s"]):
                speaker.tell(found)
    except ImageError as error:
        speaker.say("failed", error=to_wire(error))
    except BrokenPipeError:
        return 0
    speaker.say("end")
    return 0


def _leave_with_reader() -> None:
    """End this process when the other end of standard input is closed, however that came."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
