"""`augment`: copies of every picture of a label file, and the new label and weights file.

Three streams, none of which holds the data set in memory: the label file into an index by picture,
the pictures through the workers into a journal, the journal into the new label file, once to count
and once to write.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from deckwatch_serving import engines, picture_files
from deckwatch_serving.engines import Engine
from deckwatch_serving.progress import track
from deckwatch_training import balance
from deckwatch_training.augment import preview as previews
from deckwatch_training.augment import recipe as recipes
from deckwatch_training.augment.copies import Copy, Item, Maker, Originals, Outcome
from deckwatch_training.augment.label_index import LabelIndex
from deckwatch_training.augment.night import References, read_references
from deckwatch_training.augment.summary import Summary, Weight
from deckwatch_training.journal import Journal
from deckwatch_training.label_files import LabelRow, LabelWriter
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import sha256_file
from deckwatch_vision.species import DEMO, NCFM

COMMAND = "augment"
PREVIEW, SUMMARY = "preview.html", "summary.json"
SENSITIVE = frozenset(one.code for labels in (NCFM, DEMO) for one in labels if one.sensitive)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to make of which pictures, and where.

    input_folder: of the pictures that label_file (CSV, or a data set's JSON) names. output_folder:
    new, empty, or of an earlier run; receives originals and copies. new_label_file: CSV to write,
    with weight, source_image and steps. steps: a recipe file, or names of steps; None is the
    default recipe. copies: of every picture. seed: the same seed gives the same bytes, whatever
    engine and workers (0: one a core; see `engines.run`). night_frames: folder of real night frames
    for night_vision. originals: link, copy or leave out the pictures themselves. sensitive_factor,
    equal_vessels: see `balance.weights`. preview: pictures to show in preview.html. replace: delete
    what a run with other settings made in the output folder.
    """

    input_folder: Path
    output_folder: Path
    label_file: Path
    new_label_file: Path
    steps: str | Path | None = None
    copies: int = 2
    seed: int = 0
    workers: int = 0
    engine: Engine = "local"
    night_frames: Path | None = None
    originals: Originals = "link"
    sensitive_factor: float = 1.0
    equal_vessels: bool = False
    preview: int = 0
    replace: bool = False


def augment(settings: Settings, say: Callable[[str], None] = lambda _: None) -> Summary:
    """Make changed copies of every picture, and the new label and weights file.

    The same call goes on after an interruption. Pictures whose file or labels changed since are
    made again, those that left the label file are deleted; what was not made here is never touched.
    `say` hears what the user should know before the work begins.

    Raises:
        UsageError: a wrong value, recipe or label file, or a file that would be overwritten.
    """
    maker = _maker(settings, say)
    summary, folder = Summary(), settings.output_folder
    decisive = {
        "seed": maker.seed, "steps": maker.recipe.digest(), "originals": maker.originals,
        "night frames": maker.references.digest, "own steps": maker.plan.own_code(),
    }  # fmt: skip
    with (
        LabelIndex(settings.label_file) as index,
        Journal(
            folder, COMMAND, decisive, replace=settings.replace, others={PREVIEW, SUMMARY}
        ) as journal,
    ):
        new = settings.new_label_file
        _refuse_overwriting(new, settings.label_file, journal)
        if settings.preview:
            _preview(settings, maker, index)
            say(f"before and after: {folder / PREVIEW}")
        job = _Job(index, journal, maker, settings.copies)
        job.clear()
        job.make(summary, settings.workers, settings.engine)
        job.write(settings, summary)
        journal.set(_key(new), sha256_file(new))
    text = json.dumps(summary.as_dict(), indent=1, ensure_ascii=False) + "\n"
    picture_files.write(folder / SUMMARY, text.encode())
    return summary


def preview(settings: Settings, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write only the page that shows pictures before and after; its path.

    Raises:
        UsageError: see `augment`.
    """
    maker = _maker(settings, say)
    with LabelIndex(settings.label_file) as index:
        return _preview(settings, maker, index)


def _preview(settings: Settings, maker: Maker, index: LabelIndex) -> Path:
    path = settings.output_folder / PREVIEW
    previews.write(maker, index.spread(settings.preview), settings.copies, path)
    return path


def _maker(settings: Settings, say: Callable[[str], None]) -> Maker:
    _check(settings)
    recipe = recipes.load(settings.steps)
    folder = settings.night_frames
    references = read_references(folder) if folder else References()
    if folder is None and any(step.name == "night_vision" for step in recipe.enabled):
        say(
            "night_vision imitates night frames, because no real ones were given: "
            "--night-frames FOLDER takes their histograms"
        )
    if references.left_out:
        number, first = len(references.left_out), references.left_out[0]
        say(f"{number} files in {folder} are no night frames, first {first}")
    return Maker(
        settings.input_folder, settings.output_folder, recipe, references, settings.seed,
        settings.originals,
    )  # fmt: skip


@dataclass
class _Job:
    index: LabelIndex
    journal: Journal
    maker: Maker
    copies: int

    @property
    def numbers(self) -> range:
        """The copies of every picture; 0 is the original."""
        return range(1 if self.maker.originals == "none" else 0, self.copies + 1)

    def clear(self) -> None:
        """Delete copies of pictures that the label file no longer names."""
        self.journal.keep(lambda image, number: number in self.numbers and image in self.index)

    def make(self, summary: Summary, workers: int, engine: Engine) -> None:
        """Make all copies that are not there yet."""
        items = self._missing(summary)
        for outcome in engines.run(self.maker, items, engine=engine, workers=workers):
            self._note(outcome, summary)

    def _missing(self, summary: Summary) -> Iterator[Item]:
        for image, rows in track(self.index.pictures(), "augmenting", len(self.index)):
            summary.pictures += 1
            digest = self._digest(image, rows)
            missing = []
            for number in self.numbers:
                if self.journal.made(image, number, digest) is None:
                    missing.append((number, self._file(image, number)))
                else:
                    summary.reused += 1
            if missing:
                yield Item(image, rows, tuple(missing), digest)

    def _digest(self, image: str, rows: tuple[LabelRow, ...]) -> str:
        """What the copies of a picture depend on, but for the settings of the run."""
        stamp = picture_files.stamp(self.maker.source / image)
        facts = [stamp, [[row.label, row.vessel, row.box] for row in rows]]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def _file(self, image: str, number: int) -> str:
        """The name of a copy, which no picture of the label file may have."""
        if number == 0:
            return image
        path = PurePosixPath(image)
        # cod.png and cod.jpg may lie side by side, and copies are always JPEG.
        stem = path.stem if path.suffix == ".jpg" else path.name
        name = f"{stem}~{number}.jpg"
        while path.with_name(name).as_posix() in self.index:
            name = f"~{name}"
        return path.with_name(name).as_posix()

    def _note(self, outcome: Outcome, summary: Summary) -> None:
        item = outcome.item
        if outcome.error:
            summary.bad.append((item.image, outcome.error))
            for number in self.numbers:  # an earlier run may have been able to read it
                self.journal.forget(item.image, number)
            return
        for copy in outcome.copies:
            summary.made += not copy.reason
            file = "" if copy.reason else copy.file
            self.journal.add(item.image, copy.number, item.digest, file, _packed(copy))

    def _rows(self) -> Iterator[LabelRow]:
        """The rows of the new label file, still without weights."""
        for image, rows in self.index.pictures():
            for number in self.numbers:
                held = self.journal.made(image, number)
                if held and not held["reason"]:
                    yield from _unpacked(held, image, rows)

    def write(self, settings: Settings, summary: Summary) -> None:
        """Write the new label and weights file."""
        counts = balance.count((row.vessel or "", row.label) for row in self._rows())
        weights = balance.weights(
            counts, sensitive=SENSITIVE, sensitive_factor=settings.sensitive_factor,
            equal_vessels=settings.equal_vessels,
        )  # fmt: skip
        with LabelWriter(settings.new_label_file, weights=True) as writer:
            for row in self._rows():
                weighed = replace(row, weight=weights[row.vessel or "", row.label])
                writer.write(weighed)
                summary.weight_sum += weighed.weight
                summary.rows += 1
        summary.weights = [
            Weight(str(vessel), species, counts[vessel, species], weights[vessel, species])
            for vessel, species in sorted(counts, key=str)
        ]
        summary.left_out = dict(self._left_out())

    def _left_out(self) -> Counter[str]:
        found = Counter[str]()
        for name, number, file in self.journal.pieces():
            if not file:
                held = self.journal.made(name, number)
                found[held["reason"]] += 1
        return found


def _packed(copy: Copy) -> dict[str, Any]:
    """What the journal keeps of a copy; JSON knows no numbers as keys."""
    return {
        "file": copy.file, "reason": copy.reason, "steps": copy.steps,
        "boxes": list(copy.boxes.items()),
    }  # fmt: skip


def _unpacked(held: dict[str, Any], image: str, rows: tuple[LabelRow, ...]) -> Iterator[LabelRow]:
    for place, box in held["boxes"]:
        yield replace(
            rows[place], image=held["file"], source_image=image, steps=tuple(held["steps"]),
            box=tuple(box) if box else None,
        )  # fmt: skip


def _check(settings: Settings) -> None:
    source, target, originals = settings.input_folder, settings.output_folder, settings.originals
    if not source.is_dir():
        raise UsageError(f"--input_folder {source} is no folder. Give the one of the pictures.")
    if target.resolve() == source.resolve():
        raise UsageError("--output_folder is the input folder. Give another one.")
    if originals not in get_args(Originals):
        raise UsageError(
            f"--originals {originals!r}: give one of {', '.join(get_args(Originals))}."
        )
    if settings.copies < 0 or settings.preview < 0 or settings.seed < 0:
        raise UsageError("--copies, --preview and --seed cannot be below 0.")
    if settings.copies == 0 and originals == "none":
        raise UsageError("--copies 0 without originals makes nothing. Give more copies.")
    if not settings.sensitive_factor > 0:
        raise UsageError(f"--sensitive-factor {settings.sensitive_factor:g} must be over 0.")


def _key(path: Path) -> str:
    return f"labels {path.resolve()}"


def _refuse_overwriting(path: Path, label_file: Path, journal: Journal) -> None:
    if path.resolve() == label_file.resolve():
        raise UsageError(
            f"--new_label_and_weights_file {path} is the label file itself, which stays as it is. "
            "Give another name."
        )
    if path.is_dir():
        raise UsageError(f"--new_label_and_weights_file {path} is a folder. Give a file's name.")
    if path.exists() and sha256_file(path) != journal.setting(_key(path)):
        raise UsageError(
            f"{path} exists, and this command did not write it for {journal.folder}, or it was "
            "changed since. Delete it or give another name."
        )
