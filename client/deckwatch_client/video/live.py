"""A live stream: the newest frame when one is due, reconnected after a loss.

The stream is read without pause by a thread of its own, since a camera does not wait: what nobody
takes in time is replaced by what is newer. Times are those of this machine's clock, in seconds
since 1970, so that they go on rising from one connection and one run to the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import cv2

from deckwatch_client.video import public_name
from deckwatch_client.video.capture import Capture
from deckwatch_client.video.damage import Complaints, Torn, sound_frames
from deckwatch_client.video.options import VideoOptions
from deckwatch_client.video.sampling import DIGITS, Passed, Taken, grid_point, pixels_of
from deckwatch_client.video.scenes import SceneChange
from deckwatch_vision.errors import BrokenVideo

# Seconds for a connection to be made, and for a frame to come.
OPEN_S, READ_S = 10.0, 10.0
# Seconds between tries to reconnect, doubling from the first to the second.
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
# Seconds after which even frames that never had to be waited for count as new.
BURST_S = 3.0
# Tries for the first connection: an address that is wrong should be noticed soon.
FIRST_TRIES = 3
# Seconds after which a stream that was lost is given up.
GIVE_UP_S = 600.0


class Live:
    """Frames of a live stream on the grid of the clock; iterate once.

    wanted: set by whoever iterates when the next frame may come, cleared when it does.

    Raises (while iterating):
        BrokenVideo: nothing can be read at its address.
    """

    def __init__(
        self, source: str, options: VideoOptions, complaints: Complaints, wanted: threading.Event
    ) -> None:
        self._source = source
        self._wanted = wanted
        self._options = options
        self._complaints = complaints
        self._scenes = None if options.scene_change is None else SceneChange(options.scene_change)
        self._due = 0
        self._number = -1
        self._last_s = 0.0
        self._lost_s: float | None = None
        self._until = None if options.seconds is None else time.monotonic() + options.seconds
        self._changed = threading.Condition()
        self._torn: list[Torn] = []
        self._newest: Taken | None = None
        self._error: Exception | None = None
        self._over = False

    def __iter__(self) -> Iterator[Taken | Torn | Passed]:
        threading.Thread(target=self._run, daemon=True).start()
        try:
            yield from self._found()
        finally:
            self._until = 0.0  # the thread ends as well

    def _found(self) -> Iterator[Taken | Torn | Passed]:
        over = False
        while not over:
            if not self._wanted.wait(1.0):
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._torn or self._newest or self._over, 1.0)
                torn, self._torn = self._torn, []
                taken, self._newest = self._newest, None
                over = self._over or self._ended()
            yield from torn
            if taken is not None:
                self._wanted.clear()
                yield taken
            elif not over:
                yield Passed(round(time.time(), DIGITS))
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._connections()
        except Exception as error:  # told in the thread that iterates
            self._error = error
        with self._changed:
            if self._lost_s is not None and self._last_s:
                self._torn.append(Torn(self._lost_s, self._number + 1, None))
            self._over = True
            self._changed.notify()

    def _connections(self) -> None:
        """Read the stream until it is over, one connection after the other."""
        pause_s, failures = PAUSE_S, 0
        seen = time.monotonic()
        while not self._ended():
            if self._connection():
                pause_s, failures, seen = PAUSE_S, 0, time.monotonic()
            failures += 1
            if self._number < 0 and failures >= FIRST_TRIES:
                break
            if time.monotonic() - seen > GIVE_UP_S:
                break
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if self._number < 0:
            raise BrokenVideo(
                f"nothing can be read from {public_name(self._source)}. Check that the camera is "
                "on, and its address, port, path, user name and password."
            )

    def _connection(self) -> bool:
        """Read as long as the connection lasts; whether a frame came."""
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(OPEN_S * 1000)]
        timeouts += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(READ_S * 1000)]
        before = self._number
        try:
            with Capture(self._source, timeouts, threads=1, stall_s=READ_S) as video:
                opened = asked = time.monotonic()
                old = True
                for each in sound_frames(video, self._complaints):
                    now = time.monotonic()
                    if self._ended():
                        break
                    # What came while the stream was being opened is seconds old. The first frame
                    # that had to be waited for is new.
                    old = old and now - asked < video.interval_s / 3 and now - opened < BURST_S
                    if not old:
                        self._heard(video, torn=isinstance(each, Torn))
                    asked = time.monotonic()
        except BrokenVideo:
            pass
        if self._number >= 0 and self._lost_s is None and not self._ended():
            self._lost_s = round(self._last_s + 0.001, DIGITS)
        return self._number > before

    def _heard(self, video: Capture, *, torn: bool) -> None:
        """A sound frame came, or some that are not."""
        # Two frames in one thousandth of a second would have one name.
        time_s = max(round(time.time(), DIGITS), round(self._last_s + 0.002, DIGITS))
        if torn:
            if self._lost_s is None:
                self._lost_s = round(self._last_s + 0.001, DIGITS)
            return
        self._number += 1
        if self._lost_s is not None:
            with self._changed:
                if self._last_s:  # before the first frame nothing was lost
                    self._torn.append(Torn(self._lost_s, self._number, time_s))
                self._changed.notify()
            self._lost_s = None
        self._last_s = time_s
        point = grid_point(time_s, self._options.rate_hz)
        if point < self._due:
            return
        pixels = pixels_of(video)
        if pixels is None:
            return
        self._due = point + 1
        if self._scenes is not None and not self._scenes.take(pixels, time_s):
            return
        with self._changed:
            self._newest = Taken(time_s, self._number, pixels, video.interval_s)
            self._changed.notify()

    def _ended(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def _sleep(self, seconds: float) -> None:
        if self._until is not None:
            seconds = min(seconds, max(0.0, self._until - time.monotonic()))
        time.sleep(seconds)
