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
from io import FileIO
from typing import TYPE_CHECKING, Any, Self

import numpy as np

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
    """The decoder at work on one video; use it in one thread and as a context manager.

    Args:
        source: path or URL.
        request: what else `decoder` is to know, by name.
    """

    def __init__(self, source: str, **request: Any) -> None:
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
        # Not an argument: a URL with a password has no place in a list of processes.
        self.ask(source=os.fspath(source), **request)

    def ask(self, **request: Any) -> None:
        """Send one request."""
        with contextlib.suppress(BrokenPipeError):  # its end is noticed at the next answer
            self._ask.write(json.dumps(request).encode() + b"\n")

    def answer(self) -> tuple[dict[str, Any], Pixels | None]:
        """The next thing it says, and the pixels [H,W,3] that belong to it.

        Raises:
            ImageError: what it said of the video, or that it crashed or hung.
        """
        while True:
            length = bytearray(LENGTH.size)
            self._read(memoryview(length))
            line = bytearray(LENGTH.unpack(length)[0])
            self._read(memoryview(line))
            told: dict[str, Any] = json.loads(line)
            if told["kind"] == "failed":
                raise from_wire(told["error"]) or BrokenVideo(told["error"])
            if told["kind"] != "alive":
                return told, self._pixels(told["shape"]) if "shape" in told else None

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._ask.close()
        self._answer.close()

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
