"""`create_fish_images`: every picture cut to its best fish, under the same name.

A label file of whole pictures so becomes one of crops, for a classifier that is to look at fish and
not at decks. The crop is square, with context, and cut as in production.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import engines, picture_files
from deckwatch_serving.cores import available_cores
from deckwatch_serving.engines import Engine
from deckwatch_serving.progress import track
from deckwatch_training import fish_finder
from deckwatch_training.fish_finder import Finder, Found
from deckwatch_training.journal import Journal
from deckwatch_vision.boxes import crop, whole
from deckwatch_vision.errors import ImageError, UsageError
from deckwatch_vision.images import encode_jpeg

COMMAND, FISH = "crop", "fish.csv"
COLUMNS = ("image", "crop", "x", "y", "width", "height", "score", "label", "likelihood")
NoFish = Literal["skip", "whole"]
QUALITY = 95  # of JPEGs; crops are small, and will be looked at closely


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to cut, and how.

    input_folder: searched with the folders in it. output_folder: new, empty, or of an earlier run.
    model: a model repository or the folder of a detector's run; None is the live release. all_fish:
    further fish become name~2.jpg, name~3.jpg, ... no_fish: a picture without fish is left out, or
    becomes a crop of the whole. size: side of the crops in pixels. context: side of the crop over
    the longer side of the fish; None takes the classifier's. images: only these, relative to
    input_folder; see `crop_name`. replace: delete what a run with other settings made in the output
    folder.
    """

    input_folder: Path
    output_folder: Path
    model: Path | None = None
    all_fish: bool = False
    no_fish: NoFish = "whole"
    size: int = 256
    context: float | None = None
    workers: int = 0
    engine: Engine = "local"
    images: tuple[str, ...] | None = None
    replace: bool = False


@dataclass
class Summary:
    """What there is now: crops of fish, pictures without fish, and bad pictures with the reason."""

    pictures: int = 0
    crops: int = 0
    no_fish: int = 0
    reused: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)

    def line(self, no_fish: str) -> str:
        """In a sentence."""
        what = "left out" if no_fish == "skip" else "kept whole"
        return (
            f"{self.pictures} pictures ({self.reused} done before): {self.crops} crops of fish; "
            f"{self.no_fish} without fish, {what}; {len(self.bad)} unusable."
        )


@dataclass(frozen=True, slots=True)
class Item:
    """A picture to cut; digest: which file it was, handed through."""

    image: str
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fish of a picture with the files of their crops; error: why it could not be used."""

    item: Item
    fish: tuple[tuple[str, Found], ...] = ()
    whole: bool = False
    error: str = ""


@dataclass
class Cutter:
    """The work on one picture; picklable."""

    finder: Finder
    settings: Settings
    context: float

    def __call__(self, item: Item) -> Outcome:
        """Find the fish, cut them out, write the crops."""
        settings = self.settings
        try:
            pixels = picture_files.load(settings.input_folder / item.image)
        except ImageError as error:
            return Outcome(item, error=error.message)
        fish = self.finder(pixels)
        fish = fish if settings.all_fish else fish[:1]
        cut = []
        for number, found in enumerate(fish, start=1):
            name = self._name(item.image, number)
            self._write(name, crop(pixels, found.box, settings.size, self.context))
            cut.append((name, found))
        if not fish and settings.no_fish == "whole":
            self._write(crop_name(item.image), whole(pixels, settings.size))
        return Outcome(item, tuple(cut), whole=not fish and settings.no_fish == "whole")

    def _name(self, image: str, number: int) -> str:
        """The name of a picture's first or a further fish, which no other picture may have."""
        if number == 1:
            return crop_name(image)
        path = PurePosixPath(crop_name(image))
        name = f"{path.stem}~{number}{path.suffix}"
        while (self.settings.input_folder / path.with_name(name)).exists():
            name = f"~{name}"
        return path.with_name(name).as_posix()

    def _write(self, name: str, pixels: NDArray[np.uint8]) -> None:
        picture_files.write(self.settings.output_folder / name, encode(pixels, name))


def crop_name(image: str) -> str:
    """The name of a picture's crop, relative to the output folder: the picture's own.

    A picture beside the input folder (`../a.jpg`, as data sets refer to others) would lead out of
    the output folder, even onto itself: its crop lies in a folder `up`.
    """
    return PurePosixPath(
        *("up" if part == ".." else part for part in PurePosixPath(image).parts)
    ).as_posix()


def encode(pixels: NDArray[np.uint8], name: str) -> bytes:
    """Pixels RGB [H, W, 3] in the format that a file of this name should have."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        return encode_jpeg(pixels, QUALITY)
    # PNG, BMP and TIFF lose nothing; OpenCV writes WebP without loss unless told a quality.
    _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def create(settings: Settings) -> Summary:
    """Cut every picture of a folder to its fish; the same call goes on after an interruption.

    Beside the crops the output folder gets fish.csv, with the box of every fish in its picture.

    Raises:
        UsageError: a wrong value, or a folder that holds files of others or of other settings.
        ReleaseNotFound, ReleaseCorrupt: there is no model, or its files are damaged.
    """
    _check(settings)
    workers = settings.workers or (available_cores() if settings.engine == "local" else 0)
    alone = settings.engine == "local" and workers == 1
    finder = fish_finder.find(settings.model, available_cores() if alone else 1)
    context = settings.context or finder.context
    decisive = finder.identity | {
        "size": settings.size, "context": context, "all_fish": settings.all_fish,
        "no_fish": settings.no_fish,
    }  # fmt: skip
    summary, target = Summary(), settings.output_folder
    with Journal(target, COMMAND, decisive, replace=settings.replace, others={FISH}) as journal:
        wanted = frozenset(settings.images or ())
        journal.keep(
            lambda image, _: (
                image in wanted if wanted else (settings.input_folder / image).is_file()
            )
        )
        cutter = Cutter(finder, settings, context)
        items = _missing(settings, journal, summary)
        for outcome in engines.run(cutter, items, engine=settings.engine, workers=workers):
            _note(outcome, journal, summary)
        picture_files.write(target / FISH, _table(settings, journal, summary).encode())
    return summary


def images(settings: Settings) -> Iterator[str]:
    """The pictures to cut, without those that this command made itself."""
    if settings.images is not None:
        yield from settings.images
        return
    source, target = settings.input_folder.resolve(), settings.output_folder.resolve()
    own = f"{target.relative_to(source).as_posix()}/" if target.is_relative_to(source) else None
    for name in picture_files.find(settings.input_folder):
        if own is None or not name.startswith(own):
            yield name


def _missing(settings: Settings, journal: Journal, summary: Summary) -> Iterator[Item]:
    total = sum(1 for _ in images(settings))
    for image in track(images(settings), "cutting", total):
        summary.pictures += 1
        digest = picture_files.stamp(settings.input_folder / image)
        held = journal.made(image, 1, digest)
        if held is not None and all((settings.output_folder / row[0]).exists() for row in held):
            summary.reused += 1
        else:
            yield Item(image, digest)


def _note(outcome: Outcome, journal: Journal, summary: Summary) -> None:
    item, fish = outcome.item, outcome.fish
    for number in journal.numbers(item.image):
        if outcome.error or number > max(1, len(fish)):
            journal.forget(item.image, number)  # of an earlier run over another picture
    if outcome.error:
        summary.bad.append((item.image, outcome.error))
        return
    rows = [[file, *found.box, found.score, found.label, found.likelihood] for file, found in fish]
    for number, (file, _) in enumerate(fish[1:], start=2):
        journal.add(item.image, number, item.digest, file, True)
    # Last, because it says that all of them are there.
    file = crop_name(item.image) if fish or outcome.whole else ""
    journal.add(item.image, 1, item.digest, file, rows)


def _table(settings: Settings, journal: Journal, summary: Summary) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for image in images(settings):
        held: list[list[Any]] | None = journal.made(image, 1)
        if held is None:
            continue
        summary.no_fish += not held
        for file, x1, y1, x2, y2, score, label, likelihood in held:
            place = (f"{v:.2f}".rstrip("0").rstrip(".") for v in (x1, y1, x2 - x1, y2 - y1))
            sure = "" if likelihood is None else f"{likelihood:.5f}"
            writer.writerow((image, file, *place, f"{score:.5f}", label or "", sure))
            summary.crops += 1
    return text.getvalue()


def _check(settings: Settings) -> None:
    source, target = settings.input_folder, settings.output_folder
    if not source.is_dir():
        raise UsageError(f"--input_folder {source} is no folder. Give the one of the pictures.")
    if target.resolve() == source.resolve():
        raise UsageError("--output_folder is the input folder. Give another one.")
    if settings.no_fish not in get_args(NoFish):
        raise UsageError(
            f"--no_fish {settings.no_fish!r}: give one of {', '.join(get_args(NoFish))}."
        )
    if next(images(settings), None) is None:
        raise UsageError(
            f"{source} holds no pictures ({', '.join(sorted(picture_files.SUFFIXES))}). Give a "
            "folder that does."
        )
    if not 8 <= settings.size <= 4096:
        raise UsageError(f"--size {settings.size}: give 8 to 4096 pixels.")
    absolute = next((name for name in settings.images or () if name.startswith("/")), None)
    if absolute:
        raise UsageError(f"{absolute} is not relative to {source}. Give names relative to it.")
    if settings.context is not None and not 1 <= settings.context <= 20:
        raise UsageError(f"--context {settings.context:g}: give 1 (tight) to 20.")
