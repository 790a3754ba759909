"""The decoder's process as its reader sees it: started, listened to, ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator
from io import FileIO
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from deckwatch_client.video.options import VideoOptions
from deckwatch_vision.errors import BrokenVideo, from_wire

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Of silence, after which the decoder counts as hung: it says every few seconds that it is alive.
SILENT_S = 120.0


# What a user may have without asking.
PIPE_BYTES = 1 << 20
# Before each piece of JSON stands how many bytes it has.
LENGTH = struct.Struct(">I")


class Decoder:
    """One video being decoded; iterate once, in one thread, as a context manager.

    Gives what `decoder` says of each frame, with its pixels, and of each torn span, with None.
    """

    def __init__(self, source: str, options: VideoOptions, after_s: float | None) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        with contextlib.suppress(OSError):  # a smaller pipe only costs more changes of process
            fcntl.fcntl(ours_in, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._ask, self._answer = FileIO(ours_out, "w"), FileIO(ours_in)
        # -P: what lies in the working folder is no module of the decoder's.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deckwatch_client.video.decoder"],
            stdin=theirs_in,  # our end is held open as long as we live
            stdout=theirs_out,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
        )
        os.close(theirs_in)
        os.close(theirs_out)
        # The source may be a URL with a password, which has no place in a list of processes.
        asked = {"source": os.fspath(source), "options": options.as_dict(), "after_s": after_s}
        with contextlib.suppress(BrokenPipeError):  # its end is noticed at the first read
            self._ask.write(json.dumps(asked).encode() + b"\n")

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Pixels | None]]:
        """What is found, in order.

        Raises:
            ImageError: what the decoder said of the video, or that it crashed or hung.
        """
        while True:
            told = self._told()
            if told["kind"] == "frame":
                yield told, self._pixels(told["shape"])
            elif told["kind"] == "torn":
                yield told, None
            elif told["kind"] == "failed":
                raise from_wire(told["error"]) or BrokenVideo(told["error"])
            elif told["kind"] == "end":
                return

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._ask.close()
        self._answer.close()

    def _told(self) -> dict[str, Any]:
        length = bytearray(LENGTH.size)
        self._read(memoryview(length))
        told = bytearray(LENGTH.unpack(length)[0])
        self._read(memoryview(told))
        return dict(json.loads(told))

    def _pixels(self, shape: list[int]) -> Pixels:
        pixels = np.empty(shape, np.uint8)
        self._read(pixels.data.cast("B"))
        return pixels

    def _read(self, rest: memoryview) -> None:
        """Fill a buffer of bytes."""
        while rest:
            if not select.select([self._answer], [], [], SILENT_S)[0]:
                raise BrokenVideo(f"the decoder hung for {SILENT_S:.0f} s and was ended.")
            got = self._answer.readinto(rest)
            if not got:
                status = self._process.wait()
                why = f"signal {-status}" if status < 0 else f"exit status {status}"
                raise BrokenVideo(
                    f"the decoder crashed on it ({why}). Copy the video again, or mend it."
                )
            rest = rest[got:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
