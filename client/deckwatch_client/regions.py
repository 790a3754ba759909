"""Shared memory with a Triton on the same host: pictures are written there instead of being sent.

A region is a file in /dev/shm that both processes map. It is lent to one call at a time, used
again by later ones, made known to Triton once, and gone when its process is: Python's resource
tracker removes the file even after kill -9. What Triton then still holds is given back by the next
client (see `Regions.forgotten`).

A call that was given up may leave Triton reading a region that the next picture is written into.
Only the answer that nobody waits for is spoilt by that.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

from deckwatch_vision.errors import UsageError

PREFIX = "deckwatch_picture_"
SMALLEST_BYTES = 1 << 20
_FOLDER = Path("/dev/shm")


@dataclass(slots=True, eq=False)
class Region:
    """Memory for one picture; `registered` once Triton was told of it."""

    memory: SharedMemory
    registered: bool = False

    @property
    def name(self) -> str:
        """Name at Triton, and of the file."""
        return self.memory.name

    @property
    def key(self) -> str:
        """What Triton opens with shm_open."""
        return f"/{self.memory.name}"

    @property
    def size(self) -> int:
        """In bytes."""
        return self.memory.size

    def write(self, data: bytes | memoryview) -> None:
        """Put a picture at its start."""
        memoryview(self.memory.buf or b"")[: len(data)] = data


class Regions:
    """All regions of one client; safe to share between threads. None is made before it is needed.

    There are as many as calls at the same time, in sizes of a power of two.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Region] = []
        self._all: list[Region] = []
        self._closed = False

    def take(self, size: int) -> Region:
        """A region of at least `size` bytes, until `give_back`.

        Raises UsageError where shared memory is full.
        """
        with self._lock:
            fitting = [each for each in self._free if each.size >= size]
            if fitting:
                least = min(fitting, key=lambda each: each.size)
                self._free.remove(least)
                return least
        region = Region(_allocate(max(SMALLEST_BYTES, 1 << (size - 1).bit_length())))
        with self._lock:
            self._all.append(region)
        return region

    def give_back(self, region: Region) -> None:
        """The call that took it is over."""
        with self._lock:
            if self._closed:
                _free(region)
            else:
                self._free.append(region)

    def forget(self) -> None:
        """Triton was started again and knows none of them."""
        with self._lock:
            for each in self._all:
                each.registered = False

    def close(self) -> list[str]:
        """Remove the regions; the names that Triton has to be told of.

        One that a call still uses is removed when it comes back.
        """
        with self._lock:
            self._closed = True
            known = [each.name for each in self._all if each.registered]
            for each in self._free:
                _free(each)
            self._free.clear()
            return known

    @staticmethod
    def forgotten(registered: Iterable[str]) -> list[str]:
        """Those of Triton's regions whose client died: ours by name, and their file is gone."""
        return [
            name for name in registered if name.startswith(PREFIX) and not (_FOLDER / name).exists()
        ]


def refused(url: str, reason: str) -> UsageError:
    """The error where Triton cannot open a region."""
    return UsageError(
        f"{url} cannot use the shared memory of this process ({reason}). It has to run on this "
        "host and see the same /dev/shm: two containers share it with --ipc. Otherwise leave "
        "shared_memory out."
    )


def _allocate(size: int) -> SharedMemory:
    memory = SharedMemory(PREFIX + secrets.token_hex(8), create=True, size=size)
    try:
        # Memory that is only promised kills the process at the first write when there is none:
        # containers often have 64 MB of it.
        with open(_FOLDER / memory.name, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        memory.close()
        memory.unlink()
        raise UsageError(
            f"/dev/shm has no room for {size:,} bytes ({error.strerror}). Make it larger "
            "(--shm-size of a container), have fewer pictures in flight, or leave shared_memory "
            "out."
        ) from None
    return memory


def _free(region: Region) -> None:
    region.memory.close()
    region.memory.unlink()
