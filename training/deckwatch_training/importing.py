"""From a source in somebody's format to entries of a data set, the same way for every format."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deckwatch_serving.progress import track
from deckwatch_training import fitting, importers, label_map, looks
from deckwatch_training.catalogue import SPLITS, Box, Catalogue, Entry
from deckwatch_training.facts import Facts
from deckwatch_training.importers.folders import SPLIT_FOLDERS
from deckwatch_training.importers.source import Found, Problem, Source
from deckwatch_training.label_map import LabelMap
from deckwatch_training.looks import Look
from deckwatch_vision.errors import ImageError, UnreadableImage, UsageError
from deckwatch_vision.headers import read_header

PROBLEMS = "problems.csv"


@dataclass
class Imported:
    """What came in: the pictures, how they look, what was wrong, and what was changed on the way.

    counts: boxes clipped, thin and dropped; pictures scaled, turned and emptied.
    """

    format: str
    catalogue: Catalogue
    looks: list[Look] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """How many problems cost a picture or a box."""
        return sum(problem.lost for problem in self.problems)


def import_source(
    source: Source,
    labels: LabelMap,
    *,
    format: str = "auto",  # noqa: A002 -- the name of the option
    given: Mapping[str, Any] | None = None,
    facts: Sequence[Facts] = (),
    guess_night: bool = False,
    workers: int = 0,
) -> Imported:
    """Read a source; every picture is decoded once, and those that cannot be are listed.

    Args:
        source: where from.
        labels: their names to our codes.
        format: one of `importers.IMPORTERS`, or "auto".
        given: facts of all pictures of the source (`catalogue.FACTS`), over what it says itself.
        facts: facts of single pictures, over both.
        guess_night: write the guess of day or night down where nobody says.
        workers: processes; 0 takes one a core.

    Raises:
        UsageError: nothing at the path, another format, names without a code, no pictures.
    """
    name, importer = importers.find(format, source.path)
    found: dict[Path, Found] = {}
    problems: list[Problem] = []
    for item in importer.read(source):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        path = Path(os.path.abspath(item.path))
        if path in found:
            problems.append(Problem(str(path), f"listed again: {item.where}", "Remove one."))
        else:
            found[path] = item
    if not found:
        raise UsageError(f"{source.path} holds no pictures ({name}). Give another path or format.")
    _check_labels(found.values(), labels)
    seen = looks.survey(list(found), workers=workers, title="decoding pictures")
    result = Imported(name, Catalogue(Path(), ()), problems=problems)
    entries: list[tuple[Path, Entry]] = []
    for (path, item), look in zip(found.items(), track(seen, "fitting", len(seen)), strict=True):
        entry = _entry(path, item, look, labels, result)
        if entry is None:
            continue
        stated = dict(given or {})
        for each in facts:
            stated |= each.of(path)
        entry = _stated(entry, stated, look if guess_night else None)
        entries.append((path, entry))
        result.looks += [look] if isinstance(look, Look) else []
    info = {"species": label_map.as_info(labels.added)} if labels.added else {}
    result.catalogue = rooted(entries, info)
    return result


def rooted(entries: Sequence[tuple[Path, Entry]], info: dict[str, Any]) -> Catalogue:
    """A data set of entries at absolute paths, below the folder that they have in common."""
    if not entries:
        return Catalogue(Path(), (), info)
    root = Path(os.path.commonpath([path.parent for path, _ in entries]))
    return Catalogue(root, tuple(_at(entry, path, root) for path, entry in entries), info)


def merge(old: Catalogue, new: Catalogue, *, replacing: bool = False) -> Catalogue:
    """Both, the old first; with `replacing`, a picture of both is as the new has it.

    Raises:
        UsageError: a picture is in both, and it is not said which counts.
    """
    before = {Path(os.path.abspath(old.path(each))): each for each in old.entries}
    after = {Path(os.path.abspath(new.path(each))): each for each in new.entries}
    both = [path for path in after if path in before]
    if both and not replacing:
        raise UsageError(
            f"{len(both)} pictures are in the data set already, the first is {both[0]}. Give "
            "--replace to take their new labels, or leave them out."
        )
    info = old.info | new.info
    species = {each["code"]: each for c in (old, new) for each in c.info.get("species", [])}
    if species:
        info["species"] = list(species.values())
    return rooted(list((before | after).items()), info)


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write `problems.csv`: file, what is wrong, what to do, whether something is lost by it."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "what", "do", "lost"))
        for each in problems:
            writer.writerow((each.file, each.what, each.cure, "yes" if each.lost else "no"))
    part.replace(path)


def read_problems(path: Path) -> list[Problem]:
    """The problems beside a data set; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Problem(row["file"], row["what"], row["do"], row["lost"] == "yes")
            for row in csv.DictReader(file)
        ]


def _check_labels(found: Iterable[Found], labels: LabelMap) -> None:
    names = (name for item in found for name in _names(item) if not labels.knows(name))
    unknown = label_map.count(names)
    if unknown:
        raise label_map.unmapped(unknown, labels.species)


def _names(item: Found) -> list[str]:
    return [box.label for box in item.boxes] + ([item.label] if item.label else [])


def _entry(
    path: Path, item: Found, look: Look | ImageError, labels: LabelMap, result: Imported
) -> Entry | None:
    """The entry of a picture, or None and a problem."""
    if isinstance(look, ImageError):
        what = look.message
        if isinstance(look, UnreadableImage) and not path.exists():
            what = f"missing, though {item.where or 'the source'} has it"
        result.problems.append(Problem(str(path), what, "Copy it again, or leave it out."))
        return None
    boxes = _upright(path, item, look, result.counts)
    if boxes is None:
        width, height = item.size or (0, 0)
        result.problems.append(
            Problem(
                str(path),
                f"labelled as {width} x {height}, but it is {look.width} x {look.height} pixels",
                "Find the picture that was labelled, or correct the size in the source.",
            )
        )
        return None
    fitted = fitting.clip(boxes, look.width, look.height)
    result.counts["clipped"] += fitted.clipped
    result.counts["thin"] += len(fitted.thin)
    for box in fitted.thin:
        what = (
            f"a {box.label} box of {box.width:g} x {box.height:g} at {box.x:g}, {box.y:g} is too "
            "thin or outside the picture; left out"
        )
        result.problems.append(Problem(str(path), what, "Draw it again.", lost=False))
    kept = []
    for box in fitted.boxes:
        code = labels.code(box.label)
        if code:
            kept.append(replace(box, label=code))
    result.counts["dropped"] += len(fitted.boxes) - len(kept)
    result.counts["emptied"] += bool(boxes) and not kept
    facts: dict[str, Any] = {
        key: getattr(item, key)
        for key in ("vessel", "camera", "captured_at", "source", "licence", "night", "group")
    }
    split = SPLIT_FOLDERS.get(item.split.lower()) if item.split else None
    if item.split and split is None:
        what = f"the split {item.split!r} is none of {', '.join(SPLITS)}; left open"
        result.problems.append(Problem(str(path), what, "Give --split, or --facts.", lost=False))
    label = labels.code(item.label) if item.label and not kept else None
    boxed = tuple(kept)
    return Entry(path.name, look.width, look.height, boxed, label, split=split, **facts)


def _upright(path: Path, item: Found, look: Look, counts: Counter[str]) -> tuple[Box, ...] | None:
    """Boxes in pixels of the upright picture; None where they were drawn on another."""
    if item.relative:
        return fitting.from_shares(item.boxes, look.width, look.height)
    if item.size is None or item.size == (look.width, look.height):
        return item.boxes
    orientation = read_header(path.read_bytes()).orientation
    boxes = fitting.to_upright(item.boxes, item.size, look.width, look.height, orientation)
    if boxes:
        counts["refitted"] += 1
    return boxes


def _at(entry: Entry, path: Path, root: Path) -> Entry:
    return replace(entry, file=path.relative_to(root).as_posix())


def _stated(entry: Entry, stated: Mapping[str, Any], look: Look | ImageError | None) -> Entry:
    facts = {key: value for key, value in stated.items() if value is not None}
    if entry.boxes:
        facts.pop("label", None)  # boxes say it better
    entry = replace(entry, **facts)
    if isinstance(look, Look) and entry.night is None:
        entry = replace(entry, night=look.night)
    return entry
