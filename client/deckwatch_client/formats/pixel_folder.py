"""A folder of pictures made from records' pixels, which appears when all of them are there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from deckwatch_client.formats.contract import Job
from deckwatch_client.formats.files import WholeFolder
from deckwatch_client.formats.pixel_work import PixelWork
from deckwatch_client.records import Record

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class PixelFolder(ABC):
    """The folder `name` of a run, made in threads; a writer, see `contract.Writer`."""

    def __init__(self, job: Job, name: str) -> None:
        self._folder = WholeFolder(job.out / name)
        self._work = PixelWork(job.pixels, self.make)

    @property
    def part(self) -> Path:
        """Where it is made."""
        return self._folder.part

    @abstractmethod
    def wants(self, record: Record) -> bool:
        """Whether a record gives a picture."""

    @abstractmethod
    def make(self, record: Record, pixels: NDArray[np.uint8]) -> None:
        """Write what a record and its pixels [H,W,3] give below `part`."""

    def write(self, record: Record) -> None:
        """Take one record."""
        if self.wants(record):
            self._work.submit(record)

    def close(self) -> None:
        """Wait for the last, and move the folder into place."""
        self._work.close()
        self._folder.close()

    def abort(self) -> None:
        """Drop it."""
        self._work.abort()
        self._folder.abort()
