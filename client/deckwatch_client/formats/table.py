"""The formats by name, and several of them written at once.

with open_writers(("csv", "coco"), info, out, PixelSource()) as writers:
    for record in records:
        writers.write(record)
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deckwatch_client.formats.contract import Format, FormatOptions, Job, Writer
from deckwatch_client.formats.parts import EVERYTHING, PARTS, exactly
from deckwatch_client.records import Record
from deckwatch_client.run_info import RunInfo
from deckwatch_vision.errors import DeckwatchError, UsageError
from deckwatch_vision.result import Result

if TYPE_CHECKING:
    from deckwatch_client.pixels import PixelSource

_BOXES = exactly("name", "failure", "boxes", "scores", "labels", "moment")
_WHERE = exactly("camera", "vessel")
# Where a format has fish alone: see `answers.result_of`.
_FROM_FISH = {"label": "that of the surest fish"}
# What results have from the data set that they are of.
_OF_COCO = (
    "name",
    "failure",
    "label",
    "size",
    "sha256",
    "release",
    "camera",
    "vessel",
    "captured_at",
    "moment",
    "looks",
)

_ALL = (
    Format(
        "jsonl", "A JSON object a line; nothing is lost.",
        ("results.jsonl",), "jsonl", "`deckwatch`, jq, pandas", EVERYTHING,
    ),
    Format(
        "csv", "Two tables: a row for every fish, and one for every picture.",
        ("pictures.csv", "fish.csv"), "csv_tables", "R, pandas, spreadsheets",
        {part: "" for part in PARTS if part != "static"} | {"unchanged": "not of static fish"},
    ),
    Format(
        "parquet", "One columnar file, fish as a list in each picture's row; nothing is lost.",
        ("results.parquet",), "parquet", "pandas, polars, DuckDB, Arrow for R", EVERYTHING,
    ),
    Format(
        "megadetector", "MegaDetector's batch JSON 1.6 with species as classifications.",
        ("megadetector.json",), "megadetector", "Timelapse, MegaDetector's own tools, AddaxAI",
        _BOXES | _FROM_FISH | exactly("fish_likelihoods", "size") | {
            "failure": "not of single frames",
            "release": "one for the run",
            "captured_at": "to the second, without zone; of a video its first frame's",
        },
    ),
    Format(
        "coco", "A COCO data set: images, categories, annotations.",
        ("coco.json",), "coco", "pycocotools, FiftyOne, CVAT, `deckwatch data import`",
        _BOXES | _WHERE | exactly("label", "size", "sha256", "captured_at", "looks", "tracks")
        | {"release": "one for the run"},
    ),
    Format(
        "coco-results", "COCO results for an evaluation against coco.json's images.",
        ("coco-results.json",), "coco_results", "pycocotools `loadRes`",
        exactly("boxes", "scores", "labels") | dict.fromkeys(_OF_COCO, "from coco.json"),
    ),
    Format(
        "yolo", "YOLO text files with scores, data.yaml and names.txt.",
        ("yolo",), "yolo", "Ultralytics, Darknet, globox, CVAT", _BOXES | _FROM_FISH
        | exactly("size") | {"scores": "eight decimals"},
    ),
    Format(
        "camtrap-dp", "A Camera Trap Data Package 1.0.2 with deployments and taxonomy.",
        ("camtrap-dp",), "camtrap", "GBIF, camtrapdp and camtrapR for R, frictionless",
        _BOXES | _WHERE | exactly("label", "size", "tracks", "release")
        | {"captured_at": "to the second, UTC where no zone is known"},
    ),
    Format(
        "camio", "Labels by camera and time, as Camio's callbacks take them.",
        ("camio",), "camio", "Camio", reads=False,
    ),
    Format(
        "submission", "The competition's CSV: a picture and eight likelihoods.",
        ("submission.csv",), "submission", "the competition's scorer",
        {"name": "as the competition's", "likelihoods": "at least 0.000001, summing to 1",
         "label": "the likeliest"},
    ),
    Format(
        "crops", "A JPEG for every fish, with what is around it.",
        ("crops",), "crops", "anything that shows pictures", reads=False, needs_pixels=True,
    ),
    Format(
        "overlays", "Every picture with its fish outlined and named, as JPEG.",
        ("overlays",), "overlays", "anything that shows pictures", reads=False, needs_pixels=True,
    ),
)  # fmt: skip

FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
"""Formats by name, in the order they are listed in."""


class Writers:
    """Several writers as one: each record goes to all.

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
        if record.result and not self._codes.issuperset(_codes(record.result)):
            other = ", ".join(sorted(set(_codes(record.result)) - self._codes))
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
            with suppress(OSError):  # where one cannot be dropped, the others still are
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


def check_formats(names: Iterable[str], info: RunInfo, options: FormatOptions) -> None:
    """Say before the work what `open_writers` would refuse after it. Raises as it does."""
    for name in names:
        find_format(name).check(info, options)


def _codes(result: Result) -> list[str]:
    """The classes that a result names."""
    codes = [result.label, *result.likelihoods]
    for fish in result.fish:
        codes += fish.label, *fish.likelihoods
    return codes


def find_format(name: str) -> Format:
    """A format by its name. Raises UsageError; the message lists those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UsageError(f"No format {name!r}. Give one of: {', '.join(FORMATS)}.") from None
