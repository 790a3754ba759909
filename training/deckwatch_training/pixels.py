"""Decoded pictures, kept in memory up to a bound, so that a data set may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_vision.errors import ImageError, UsageError
from deckwatch_vision.images import decode

Pixels = NDArray[np.uint8]
MEBI = 1 << 20


class Cache:
    """Pictures as they were decoded, read-only.

    When it is full, what is in it stays: with pictures drawn at random, throwing out one for
    another would cost work and gain nothing, and loader processes, which see their parent's memory,
    would each begin to fill their own.
    """

    def __init__(self, megabytes: int):
        self.limit = megabytes * MEBI
        self.size = 0
        self._held: dict[Path, Pixels] = {}

    def __len__(self) -> int:
        return len(self._held)

    def read(self, path: Path) -> Pixels:
        """The picture of a file; RGB uint8 [H, W, 3], upright.

        Raises:
            UsageError: the file cannot be read.
            ImageError: it is no picture that production would accept.
        """
        held = self._held.get(path)
        if held is None:
            held = _decode(path)
            held.setflags(write=False)
            if self.size + held.nbytes <= self.limit:
                self._held[path] = held
                self.size += held.nbytes
        return held

    def fill(self, paths: Iterable[Path], megabytes: int) -> None:
        """Make room within a new bound for these pictures and read what fits of them.

        Others are thrown out if the room does not suffice.
        """
        self.limit = megabytes * MEBI
        wanted = dict.fromkeys(paths)
        for path in [each for each in self._held if each not in wanted or self.size > self.limit]:
            self.size -= self._held.pop(path).nbytes
        for path in wanted:
            if self.size >= self.limit:
                return
            before = self.size
            self.read(path)
            if path not in self._held and before == self.size:
                return  # full: decoding the rest now would be for nothing


def _decode(path: Path) -> Pixels:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise UsageError(
            f"Cannot read the picture {path}: {error.strerror}. Check the data set with `deckwatch "
            "data check`."
        ) from None
    except ImageError as error:
        raise type(error)(f"{path}: {error.message}") from None


CACHE = Cache(4096)


def read_pixels(path: Path) -> Pixels:
    """The picture of a file, decoded once as long as it fits the process's cache."""
    return CACHE.read(path)
