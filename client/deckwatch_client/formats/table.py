"""The formats by name, and several of them written at once.

with open_writers(("csv", "coco"), info, out, PixelSource()) as writers:
    for record in records:
        writers.write(record)
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deckwatch_client.formats.contract import Format, FormatOptions, Job, Writer
from deckwatch_client.formats.parts import EVERYTHING, WITHOUT_STATIC
from deckwatch_client.records import Record
from deckwatch_client.run_info import RESULTS, RunInfo
from deckwatch_vision.errors import DeckwatchError, UsageError

if TYPE_CHECKING:
    from deckwatch_client.pixels import PixelSource

_ALL = (
    Format(
        "jsonl", "A JSON object a line; nothing is lost.", (RESULTS,), "jsonl",
        "deckwatch, jq, pandas", EVERYTHING,
    ),
    Format(
        "csv", "Two tables: a row for every fish, and one for every picture.",
        ("pictures.csv", "fish.csv"), "csv_tables", "R, pandas, spreadsheets", WITHOUT_STATIC,
    ),
)  # fmt: skip

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
"""Formats by name, in the order they are listed in."""


class Writers:
    """Several writers as one: each record goes to all, and all finish or none.

    Leaving a `with` block closes them, or drops what they wrote where it is left by an error.
    """

    def __init__(self, info: RunInfo) -> None:
        self._codes = frozenset(info.codes)
        self._writers: dict[str, Writer] = {}

    def add(self, name: str, writer: Writer) -> None:
        """One more."""
        self._writers[name] = writer

    def write(self, record: Record) -> None:
        """Give a record to every writer.

        Raises:
            DeckwatchError: its classes are not the run's, which columns and categories are made of.
        """
        if record.result and not self._codes.issuperset(record.result.likelihoods):
            other = ", ".join(sorted(set(record.result.likelihoods) - self._codes))
            raise DeckwatchError(
                f"{record.name} was recognised by a release with other classes ({other}) than the "
                "run's. Write the results of each release by themselves."
            )
        for writer in self._writers.values():
            writer.write(record)

    def close(self) -> None:
        """Move everything into place; where one writer fails, it and the rest are dropped."""
        while self._writers:
            name = next(iter(self._writers))
            try:
                self._writers[name].close()
            except BaseException:
                self.abort()
                raise
            del self._writers[name]

    def abort(self) -> None:
        """Drop everything that is not in place yet."""
        for writer in self._writers.values():
            writer.abort()
        self._writers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def open_writers(
    names: Iterable[str],
    info: RunInfo,
    out: Path,
    pixels: PixelSource,
    options: FormatOptions | None = None,
) -> Writers:
    """Open a writer for each named format; files appear under `out` when it is closed.

    What stands there under the same names is replaced at that moment.

    Raises:
        UsageError: no such format, an option it needs is missing, or the run cannot be written so.
        MissingExtra: a package that it needs is not installed.
    """
    job = Job(info, out, pixels, options or FormatOptions())
    writers = Writers(info)
    try:
        for name in dict.fromkeys(names):
            writers.add(name, find_format(name).open_writer(job))
    except BaseException:
        writers.abort()
        raise
    return writers


def find_format(name: str) -> Format:
    """A format by its name. Raises UsageError; the message lists those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UsageError(f"No format {name!r}. Give one of: {', '.join(FORMATS)}.") from None
