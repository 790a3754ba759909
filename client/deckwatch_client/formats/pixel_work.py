"""Pictures decoded, cut or drawn and encoded by a few threads, while the run goes on.

What a thread does is in libraries that let go of Python's lock. No more pictures are in memory than
there are places. Frames of videos are decoded by whoever hands them in, one after the other, as
a video can only be read forwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from deckwatch_client.pixels import PixelSource
from deckwatch_client.records import Record
from deckwatch_serving.cores import available_cores
from deckwatch_vision.errors import DeckwatchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Work = Callable[[Record, NDArray[np.uint8]], None]

_MOST_THREADS = 8
# Waiting for each thread, so that none is without work while the next is handed in.
_AHEAD = 2


class PixelWork:
    """Calls `work(record, pixels)` for each record; a picture that is gone is counted instead."""

    def __init__(self, source: PixelSource, work: Work) -> None:
        threads = min(_MOST_THREADS, available_cores())
        self._source = source
        self._work = work
        self._pool = ThreadPoolExecutor(threads, "pixels")
        self._most = threads * (1 + _AHEAD)
        self._waiting: deque[Future[None]] = deque()

    def submit(self, record: Record) -> None:
        """Hand a record in. Raises what an earlier one's work raised, such as a full disk."""
        while len(self._waiting) >= self._most:
            self._waiting.popleft().result()
        pixels = None
        if record.moment is not None:
            try:
                pixels = self._source.pixels(record)
            except DeckwatchError as error:
                self._source.missing(record, error)
                return
        self._waiting.append(self._pool.submit(self._one, record, pixels))

    def close(self) -> None:
        """Wait for all. Raises as `submit` does."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop; what is under way is finished, the rest is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, record: Record, pixels: NDArray[np.uint8] | None) -> None:
        if pixels is None:
            try:
                pixels = self._source.pixels(record)
            except DeckwatchError as error:
                self._source.missing(record, error)
                return
        self._work(record, pixels)
