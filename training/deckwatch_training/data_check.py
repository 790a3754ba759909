"""What is wrong with a data set, or doubtful: files, boxes, codes, labels, splits, licences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deckwatch_training import catalogue as catalogues
from deckwatch_training import duplicates, looks, split
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.counting import species
from deckwatch_training.duplicates import Duplicates
from deckwatch_training.label_map import species_of
from deckwatch_training.looks import Look
from deckwatch_vision.boxes import iou
from deckwatch_vision.errors import ImageError

# Pixels. A fish of which one side is shorter shows no feature of its species.
TINY = 8.0
# Two boxes that overlap more than this are round one animal.
SAME_ANIMAL = 0.8
# Two boxes in one place on two pictures that look alike, and how many pictures back are compared.
_SAME_PLACE, _BEFORE = 0.6, 8
# Half a pixel outside is rounding.
_OUTSIDE = 0.5


@dataclass(frozen=True, slots=True)
class Issue:
    """Something to look at.

    kind: one of `KINDS`. wrong: it has to be mended, else it is worth knowing. other: the picture
    that it is at odds with.
    """

    kind: str
    wrong: bool
    file: str
    what: str
    do: str
    other: str | None = None


# Every kind with what it means, in the order in which they are reported.
KINDS = {
    "unreadable": "pictures that are missing or cannot be decoded",
    "size": "pictures of another size than the data set says",
    "box": "boxes that leave the picture or have no area",
    "code": "species codes that nobody described",
    "conflict": "equal pictures or boxes with different labels",
    "leak": "vessels, cameras or duplicates on several sides of a split",
    "twice": "equal pictures, or two boxes round one animal",
    "doubt": "animals that are of another species on a picture that looks alike",
    "tiny": f"boxes with a side under {TINY:g} pixels",
    "licence": "pictures whose licence nobody noted",
    "vessel": "pictures of which neither vessel nor camera is known",
}


@dataclass(frozen=True)
class Checked:
    """What was looked at and what was found."""

    pictures: int
    boxes: int
    issues: tuple[Issue, ...]

    @property
    def wrong(self) -> int:
        """How many issues have to be mended."""
        return sum(issue.wrong for issue in self.issues)

    def counts(self) -> dict[str, int]:
        """Issues of every kind that occurs."""
        counted = Counter(issue.kind for issue in self.issues)
        return {kind: counted[kind] for kind in KINDS if counted[kind]}

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "pictures": self.pictures,
            "boxes": self.boxes,
            "wrong": self.wrong,
            "counts": self.counts(),
            "issues": [asdict(issue) for issue in self.issues],
        }


def check(path: Path, *, workers: int = 0) -> Checked:
    """Check a data set; every picture is read, and decoded if it changed since it was imported.

    Raises:
        UsageError: there is no data set.
    """
    data = catalogues.read(path)
    return check_looks(data, looks.survey_catalogue(data, path, workers=workers))


def check_looks(
    data: Catalogue, seen: Sequence[Look | ImageError], twins: Duplicates | None = None
) -> Checked:
    """`check` of pictures that were looked at before."""
    twins = twins or duplicates.find(seen)
    issues = [*_files(data, seen), *_boxes(data), *_codes(data), *_labels(data, twins)]
    issues += [*_leaks(data, twins), *_unknown(data)]
    order = list(KINDS)
    issues.sort(key=lambda issue: order.index(issue.kind))
    return Checked(len(data), sum(len(entry.boxes) for entry in data.entries), tuple(issues))


def _files(data: Catalogue, seen: Sequence[Look | ImageError]) -> Iterator[Issue]:
    for entry, look in zip(data.entries, seen, strict=True):
        if isinstance(look, ImageError):
            yield Issue(
                "unreadable", True, entry.file, look.message, "Copy it again, or import without it."
            )
        elif (look.width, look.height) != (entry.width, entry.height):
            yield Issue(
                "size", True, entry.file,
                f"{look.width} x {look.height} pixels, the data set says {entry.width} x "
                f"{entry.height}",
                "Import it again, so that its boxes are fitted.",
            )  # fmt: skip


def _boxes(data: Catalogue) -> Iterator[Issue]:
    for entry in data.entries:
        for box in entry.boxes:
            where = f"{box.label} box of {box.width:g} x {box.height:g} at {box.x:g}, {box.y:g}"
            if not _inside(box, entry):
                yield Issue(
                    "box", True, entry.file,
                    f"{where} leaves the {entry.width} x {entry.height} pixels",
                    "Draw it again, or import the set, which clips it.",
                )  # fmt: skip
            elif min(box.width, box.height) < TINY:
                yield Issue("tiny", False, entry.file, where, "Keep it only if it is a fish.")
        yield from _overlaps(entry)


def _inside(box: Box, entry: Entry) -> bool:
    """Whether a box is in the picture and has an area; a box of nonsense numbers is not."""
    return (
        box.x >= -_OUTSIDE
        and box.y >= -_OUTSIDE
        and box.x + box.width <= entry.width + _OUTSIDE
        and box.y + box.height <= entry.height + _OUTSIDE
        and box.width > 0
        and box.height > 0
    )


def _overlaps(entry: Entry) -> Iterator[Issue]:
    if len(entry.boxes) < 2:
        return
    corners = _corners(entry)
    for i, j in np.argwhere(np.triu(iou(corners, corners) > SAME_ANIMAL, 1)):
        one, other = entry.boxes[i], entry.boxes[j]
        where = f"at {one.x:g}, {one.y:g}"
        if one.label != other.label:
            yield Issue(
                "conflict", True, entry.file,
                f"two boxes {where} round one animal say {one.label} and {other.label}",
                "Decide which it is and delete the other.",
            )  # fmt: skip
        else:
            yield Issue(
                "twice", False, entry.file, f"two {one.label} boxes {where} round one animal",
                "Delete one of them.",
            )  # fmt: skip


def _corners(entry: Entry) -> NDArray[np.float32]:
    """The boxes of a picture as float32 [N, 4] x1 y1 x2 y2."""
    edges = [[b.x, b.y, b.x + b.width, b.y + b.height] for b in entry.boxes]
    return np.array(edges, np.float32).reshape(-1, 4)


def _codes(data: Catalogue) -> Iterator[Issue]:
    known = species_of(data)
    for code in data.labels():
        if code not in known:
            first = next(entry for entry in data.entries if code in species(entry))
            yield Issue(
                "code", True, first.file, f"no description of the species {code}",
                "Import with a label map that maps it, or describes it under `species:`.",
            )  # fmt: skip


def _labels(data: Catalogue, twins: Duplicates) -> Iterator[Issue]:
    """Labels of duplicates that contradict each other."""
    of_exact: dict[int, int] = {}
    for number, group in enumerate(twins.exact):
        of_exact |= dict.fromkeys(group, number)
        files = [data.entries[i].file for i in group]
        told = {tuple(sorted(species(data.entries[i]))) for i in group}
        if len(told) > 1:
            said = " or ".join(", ".join(sorted(set(each))) for each in sorted(told))
            yield Issue(
                "conflict", True, files[0],
                f"the same picture as {_few(files[1:])}, labelled {said}",
                "Correct one of them and leave the others out.", files[1],
            )  # fmt: skip
        else:
            yield Issue(
                "twice", False, files[0], f"the same picture as {_few(files[1:])}", "Leave one out."
            )
    for group in twins.near:
        for before, i in _neighbours(group):
            if of_exact.get(i, -1) != of_exact.get(before, -2):
                yield from _doubts(data.entries[before], data.entries[i])


def _neighbours(group: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of a group: all of a small one, else each with the few before it."""
    for place, i in enumerate(group):
        for before in group[max(0, place - _BEFORE) : place]:
            yield before, i


def _doubts(one: Entry, other: Entry) -> Iterator[Issue]:
    """Two frames that look alike: an animal that did not move but is of another species."""
    if not one.boxes or not other.boxes:
        return
    overlaps = iou(_corners(one), _corners(other))
    for i, j in np.argwhere(overlaps > _SAME_PLACE):
        was, now = one.boxes[i].label, other.boxes[j].label
        # Where a second fish lies on the first, the labels only stand in another order.
        if was != now and not _explained(one, other, overlaps, i, j):
            box = other.boxes[j]
            yield Issue(
                "doubt", False, other.file,
                f"the {now} at {box.x:g}, {box.y:g} is {was} on {one.file}, which looks alike",
                "Decide which it is.", one.file,
            )  # fmt: skip


def _explained(
    one: Entry, other: Entry, overlaps: NDArray[np.float32], i: np.intp, j: np.intp
) -> bool:
    """Whether each of two boxes also has one of its own species in the same place."""
    was = [k for k in range(len(other.boxes)) if other.boxes[k].label == one.boxes[i].label]
    now = [k for k in range(len(one.boxes)) if one.boxes[k].label == other.boxes[j].label]
    return bool((overlaps[i, was] > _SAME_PLACE).any() or (overlaps[now, j] > _SAME_PLACE).any())


def _leaks(data: Catalogue, twins: Duplicates) -> Iterator[Issue]:
    for members in split.find_units(data.entries, twins.near):
        sides = Counter(data.entries[i].split for i in members if data.entries[i].split)
        if len(sides) < 2:
            continue
        entries = [data.entries[i] for i in members]
        names = sorted({entry.vessel or entry.camera or "" for entry in entries} - {""})
        what = ", ".join(names) or f"{len(entries)} pictures that belong together"
        told = ", ".join(f"{number} in {name}" for name, number in sorted(sides.items()))
        rarest = min(sides, key=lambda name: sides[name])
        first = next(entry.file for entry in entries if entry.split == rarest)
        yield Issue(
            "leak", True, first, f"{what}: {told}",
            "Split again without --keep; figures measured on this are too kind.",
        )  # fmt: skip


def _unknown(data: Catalogue) -> Iterator[Issue]:
    """What nobody noted, said once for all pictures."""
    lacking = [entry for entry in data.entries if not entry.licence]
    if lacking:
        yield Issue(
            "licence", False, lacking[0].file, f"{len(lacking)} of {len(data)} pictures",
            "Import with --licence; weights trained on them may not be passed on without.",
        )  # fmt: skip
    lacking = [entry for entry in data.entries if not (entry.vessel or entry.camera)]
    if lacking:
        yield Issue(
            "vessel", False, lacking[0].file, f"{len(lacking)} of {len(data)} pictures",
            "Import with --vessel or --facts, or let `data split` guess cameras.",
        )  # fmt: skip


def _few(files: Sequence[str]) -> str:
    return ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
