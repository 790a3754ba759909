"""A data set in memory: pictures with their boxes, read from COCO JSON.

One format for training, evaluation and calibration (COCO plus, per image, `vessel`, `camera`,
`split`). Boxes become x1 y1 x2 y2 in pixels of the upright picture, clipped to it; boxes that are
degenerate after clipping (a side under `MIN_SIDE`) are dropped and counted.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.catalogue import read
from deckwatch_training.pixels import read_pixels

# Pixels. A box thinner than this shows nothing that a net could learn.
MIN_SIDE = 2.0


@dataclass(frozen=True)
class Picture:
    """One photograph and what is on it.

    boxes: float32 [N, 4] x1 y1 x2 y2; names: the data set's own category of each box; group: what
    must never be split between training and held-back data (a vessel, a camera, a tank).
    """

    path: Path
    width: int
    height: int
    boxes: NDArray[np.float32]
    names: tuple[str, ...]
    group: str
    night: bool | None = None
    label: str | None = None
    weight: float = 1.0

    def select(self, names: Sequence[str]) -> Picture:
        """The same picture with only the boxes of these categories."""
        keep = [i for i, name in enumerate(self.names) if name in names]
        return replace(self, boxes=self.boxes[keep], names=tuple(self.names[i] for i in keep))

    def pixels(self) -> NDArray[np.uint8]:
        """Upright RGB uint8 [H, W, 3], decoded as in production."""
        return read_pixels(self.path)


@dataclass
class DataSet:
    """Pictures in file order, and what was wrong with the annotations."""

    pictures: list[Picture]
    problems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pictures)

    def counts(self) -> Counter[str]:
        """Boxes per category."""
        return Counter(name for picture in self.pictures for name in picture.names)

    def digest(self) -> str:
        """SHA-256 of what is known of the pictures, wherever they lie; pixels are not read."""
        total = hashlib.sha256()
        for picture in self.pictures:
            boxes = [[round(float(v), 2) for v in box] for box in picture.boxes]
            facts = (
                picture.path.name, picture.width, picture.height, boxes, picture.names,
                picture.group, picture.night, picture.label, round(picture.weight, 6),
            )  # fmt: skip
            total.update(json.dumps(facts).encode() + b"\n")
        return total.hexdigest()

    def select(self, names: Sequence[str]) -> DataSet:
        """All pictures, with only the boxes of these categories."""
        return DataSet([picture.select(names) for picture in self.pictures], self.problems)

    def where(self, test: Callable[[Picture], bool]) -> DataSet:
        """The pictures that pass `test`."""
        return DataSet([picture for picture in self.pictures if test(picture)], self.problems)


def read_coco(
    path: Path, root: Path | None = None, split: str | None = None, *, only: bool = False
) -> DataSet:
    """Read a data set (see `catalogue`); `root` overrides the folder of the pictures.

    split: only the pictures of that split, and unless `only` also those that have none. Raises
    UsageError naming the file where it is missing, no JSON, or lacks a key.
    """
    catalogue = read(path)
    groups = _runs([entry.file for entry in catalogue.entries])
    pictures, problems = [], []
    for entry in catalogue.entries:
        if split and entry.split != split and (only or entry.split):
            continue
        rows = [([box.x, box.y, box.width, box.height], box.label) for box in entry.boxes]
        boxes, names, wrong = _clip(rows, entry.width, entry.height)
        problems += [f"{entry.file}: {text}" for text in wrong]
        group = entry.vessel or entry.camera or entry.group or groups[entry.file]
        folder = root or catalogue.root
        pictures.append(
            Picture(
                folder / entry.file, entry.width, entry.height, boxes, names, str(group),
                entry.night, entry.label,
            )
        )  # fmt: skip
    return DataSet(pictures, problems)


def _clip(
    rows: list[tuple[list[float], str]], width: int, height: int
) -> tuple[NDArray[np.float32], tuple[str, ...], list[str]]:
    boxes, names, wrong = [], [], []
    for (x, y, w, h), name in rows:
        x1, y1 = max(0.0, x), max(0.0, y)
        x2, y2 = min(float(width), x + w), min(float(height), y + h)
        if x2 - x1 < MIN_SIDE or y2 - y1 < MIN_SIDE:
            wrong.append(f"a {name} box of {w:g} x {h:g} at {x:g}, {y:g} was dropped")
            continue
        boxes.append((x1, y1, x2, y2))
        names.append(name)
    return np.array(boxes, np.float32).reshape(-1, 4), tuple(names), wrong


def _runs(names: list[str], gap: int = 2) -> dict[str, str]:
    """Group files whose names carry nearly consecutive numbers: one visit to one place.

    Photographs taken one after the other show the same tank, so they must stay on one side of a
    split. A new group starts where the number jumps by more than `gap`.
    """
    numbered = []
    for name in names:
        digits = re.findall(r"\d+", Path(name).stem)
        numbered.append((int(digits[0]) if digits else -1, name))
    groups, last, current = {}, None, ""
    for number, name in sorted(numbered):
        if last is None or number - last > gap:
            current = Path(name).stem
        groups[name], last = current, number
    return groups


def hold_back(data: DataSet, share: float, seed: int) -> tuple[DataSet, DataSet]:
    """Split into (training, held back) so that no group stands on both sides.

    Groups are drawn at random within the groups of the same leading category, until `share` of
    that category's pictures is held back: both sides show all animals. A group larger than what is
    still missing is passed over.
    """
    members: dict[str, list[Picture]] = {}
    for picture in data.pictures:
        members.setdefault(picture.group, []).append(picture)
    strata: dict[str, list[str]] = {}
    for group in sorted(members):
        names = Counter(name for picture in members[group] for name in picture.names)
        strata.setdefault(names.most_common(1)[0][0] if names else "", []).append(group)
    held: set[str] = set()
    rng = random.Random(seed)
    for name in sorted(strata):
        groups = strata[name]
        rng.shuffle(groups)
        wanted = round(share * sum(len(members[group]) for group in groups))
        for group in groups:
            if len(members[group]) <= wanted:
                held.add(group)
                wanted -= len(members[group])
    return data.where(lambda p: p.group not in held), data.where(lambda p: p.group in held)
