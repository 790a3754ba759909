"""The decoder's process: one video in, its taken frames out, through a pair of pipes.

    python -P -m deckwatch_client.video.decoder < pipe > pipe

Decoding has a process of its own, since a torn file may crash FFmpeg, a dead camera may hang it,
and its log, which tells the torn frames from the sound ones, goes to standard error alone. It works
one frame ahead of its reader: the pipe holds no more.

In: lines of JSON, the first with `source`; when the pipe is closed the process ends. With `options`
and `after_s` the first line asks for the frames to take, of a stream each at a further line of its
own; without, each further line asks for the frame at its `time_s`. Out: JSON objects, each after
its length in bytes; those that say `shape` are followed by as many bytes of pixels. `kind` is
"frame", "torn", "none" (no frame at that time), "alive" (nothing else for a while), "failed",
"ready" (to be asked) or "end".
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from deckwatch_client.video import is_stream
from deckwatch_client.video.capture import THREADS, open_file
from deckwatch_client.video.damage import Complaints, Disturbed, Torn
from deckwatch_client.video.live import Live
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.reader import LENGTH
from deckwatch_client.video.sampling import DIGITS, Passed, Taken, taken_frames
from deckwatch_vision.errors import BrokenVideo, ImageError, to_wire
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
                looks=looks, shape=found.pixels.shape, interval_s=found.interval_s,
            )  # fmt: skip
        elif isinstance(found, Torn):
            self.say("torn", time_s=found.time_s, frame=found.frame, until_s=found.until_s)
        elif time.monotonic() - self._spoke > ALIVE_S:
            self.say("alive", time_s=found.time_s)


def main() -> int:
    """Serve one reader; returns the exit status."""
    # The pipe keeps the number 1 free for whatever a library prints.
    speaker = Speaker(os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # With these set, OpenCV takes FFmpeg's log over and writes it elsewhere.
    for name in ("OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_DEBUG"):
        os.environ.pop(name, None)
    complaints = Complaints()
    complaints.redirect()
    requests = _requests()
    asked = next(requests)
    try:
        if "options" not in asked:
            _read_again(asked["source"], requests, speaker)
            return 0
        wanted = threading.Event()
        threading.Thread(target=_listen, args=[requests, wanted], daemon=True).start()
        if is_stream(asked["source"]):
            _watch(asked, complaints, speaker, wanted)
        else:
            _take(asked, complaints, speaker)
    except ImageError as error:
        speaker.say("failed", error=to_wire(error))
    except BrokenPipeError:
        return 0
    except Exception as error:  # whatever it is, it costs one video and not the run
        told = f"the decoder failed ({type(error).__name__}: {error}). Please report this."
        speaker.say("failed", error=to_wire(BrokenVideo(told)))
    speaker.say("end")
    return 0


def _take(asked: dict[str, Any], complaints: Complaints, speaker: Speaker) -> None:
    """Tell the frames to take and the torn spans."""
    options, after_s = VideoOptions(**asked["options"]), asked["after_s"]
    # Several threads decode ahead, and so complain some frames early, once more and once less. A
    # damaged video is read anew by one thread: what is taken must be the same each time.
    for threads in (THREADS, 1):
        with open_file(asked["source"], threads=threads) as video:
            try:
                for found in taken_frames(video, options, complaints, after_s):
                    speaker.tell(found)
                    if not isinstance(found, Passed):
                        after_s = found.time_s
                return
            except Disturbed:
                continue


def _watch(
    asked: dict[str, Any], complaints: Complaints, speaker: Speaker, wanted: threading.Event
) -> None:
    """Tell the newest frame of a stream whenever one is wanted."""
    for found in Live(asked["source"], VideoOptions(**asked["options"]), complaints, wanted):
        speaker.tell(found)


def _read_again(source: str, requests: Iterator[dict[str, Any]], speaker: Speaker) -> None:
    """Answer each request for a frame; fast in rising order, started anew for an earlier one."""
    video = open_file(source)
    speaker.say("ready")
    for asked in requests:
        time_s = asked["time_s"]
        if round(video.time_s, DIGITS) > time_s:
            video.close()
            video = open_file(source)
        while round(video.time_s, DIGITS) < time_s and video.next_frame() is not None:
            pass
        if round(video.time_s, DIGITS) == time_s:
            speaker.tell(Taken(time_s, video.frame, video.pixels(), video.interval_s))
        else:
            speaker.say("none")


def _requests() -> Iterator[dict[str, Any]]:
    """What the reader asks, until it closes the pipe."""
    with open(0, "rb", buffering=0, closefd=False) as pipe:
        for line in pipe:
            yield json.loads(line)


def _listen(requests: Iterator[dict[str, Any]], wanted: threading.Event) -> None:
    """Note that more is wanted; when the pipe is closed, however that came, end this process."""
    for _ in requests:
        wanted.set()
    os._exit(0)


if __name__ == "__main__":
    # At once: a thread may be waiting for a camera, which nothing can interrupt.
    os._exit(main())
