"""What a format is: how it is called, what it writes, who writes it and who reads it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo

if TYPE_CHECKING:
    from deckwatch_client.pixels import PixelSource


class Writer(Protocol):
    """Takes a run's records one by one, in the run's order."""

    def write(self, record: Record) -> None:
        """Take one record."""

    def close(self) -> None:
        """Finish, and move what was written into place."""

    def abort(self) -> None:
        """Drop what was written; what stood there before stays."""


@dataclass(frozen=True, slots=True)
class FormatOptions:
    """What some formats ask for besides the records.

    latitude, longitude: degrees (WGS 84) where the cameras were; camtrap-dp.
    created: ISO 8601 time in the package's description; None takes the last picture's; camtrap-dp.
    context: the window's side as a multiple of the fish's longer side, 1.0 is tight; crops.
    threshold, polygons: labels from this probability on, with the fish's corners; camio.
    images: the COCO data set whose pictures the results are of; reading coco-results.
    pictures: the folder of the pictures, where a format does not tell their sizes; reading.
    """

    latitude: float | None = None
    longitude: float | None = None
    created: str | None = None
    context: float = 1.3
    threshold: float = 0.5
    polygons: bool = False
    images: Path | None = None
    pictures: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What a writer is opened with: the run, the folder to write into, pictures, options."""

    info: RunInfo
    out: Path
    pixels: PixelSource
    options: FormatOptions = field(default_factory=FormatOptions)


Source = tuple[RunInfo, Iterator[Record]]
"""A run read back: what it was made with, and its records, read lazily."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    summary: a line for lists. writes: files and folders under the output folder, the one to read
    back first. module: the module of this package with `open_writer(job)`, `read(path, options)`
    where it `reads`, and perhaps `check(info, options)`; imported when it is used. programs: who
    else reads it. keeps: the parts of a record that come back, each with how exactly ("" is
    unchanged), see `parts`. needs_pixels: pictures are decoded.
    """

    name: str
    summary: str
    writes: tuple[str, ...]
    module: str
    programs: str
    keeps: Mapping[str, str] = field(default_factory=dict)
    reads: bool = True
    needs_pixels: bool = False

    def check(self, info: RunInfo, options: FormatOptions) -> None:
        """Say before the work what `open_writer` would say after it; it opens nothing.

        Raises:
            UsageError: an option is missing, or the run cannot be written so.
            MissingExtra: a package is not installed.
        """
        module = import_module(f"{__package__}.{self.module}")
        if hasattr(module, "check"):
            module.check(info, options)

    def open_writer(self, job: Job) -> Writer:
        """Open the files under `job.out`. Raises as `check` does."""
        self.check(job.info, job.options)
        opened: Writer = import_module(f"{__package__}.{self.module}").open_writer(job)
        return opened

    def read(self, path: Path, options: FormatOptions) -> Source:
        """Read what the writer, or another program, wrote.

        Raises:
            UsageError: it is nothing of this format; while reading, DeckwatchError names the place.
        """
        found: Source = import_module(f"{__package__}.{self.module}").read(path, options)
        return found
