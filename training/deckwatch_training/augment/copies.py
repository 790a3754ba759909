"""Copies of one picture: the work of one worker on one item.

All randomness of a copy comes from (seed, name of the picture, number of the copy), so the bytes
are the same whatever else is in the data set and whoever does the work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from deckwatch_serving import picture_files
from deckwatch_training.augment.night import References
from deckwatch_training.augment.recipe import Plan, Recipe
from deckwatch_training.augment.samples import Fish, Pixels, Sample, fish_in
from deckwatch_training.label_files import LabelRow
from deckwatch_vision.errors import ImageError
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.species import NO_FISH

Originals = Literal["link", "copy", "none"]
Box = tuple[float, float, float, float]  # x, y, width, height
# Why there is no copy.
VANISHED, UNCHANGED = "no fish left in sight", "no step applies"


@dataclass(frozen=True, slots=True)
class Item:
    """A picture, its label rows, and which copies of it to make.

    copies: numbers with their files' names, relative to the output folder; 0 is the original.
    digest: identifies rows and source; handed through.
    """

    image: str
    rows: tuple[LabelRow, ...]
    copies: tuple[tuple[int, str], ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """What became of one copy: its boxes and steps, or the reason why there is none.

    boxes: by the place of the label row that is still true of it; None where that has no box.
    """

    number: int
    file: str
    boxes: dict[int, Box | None]
    steps: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item. error: why the picture could not be used; then it has no copies."""

    item: Item
    copies: tuple[Copy, ...]
    error: str = ""


@dataclass(frozen=True)
class Maker:
    """Makes the copies; picklable, so that it can be sent to workers."""

    source: Path
    target: Path
    recipe: Recipe
    references: References
    seed: int
    originals: Originals = "link"

    @cached_property
    def plan(self) -> Plan:
        """The recipe, loaded once in every worker."""
        return Plan(self.recipe, self.references)

    def __getstate__(self) -> dict[str, object]:
        # Functions of the user's modules are loaded anew where they are used.
        return {key: value for key, value in self.__dict__.items() if key != "plan"}

    def __call__(self, item: Item) -> Outcome:
        """Make and write the copies of an item."""
        try:
            pixels = picture_files.load(self.source / item.image)
        except ImageError as error:
            return Outcome(item, (), error.message)
        return Outcome(item, tuple(self._write(pixels, item, *each) for each in item.copies))

    def _write(self, pixels: Pixels, item: Item, number: int, file: str) -> Copy:
        if number == 0:
            picture_files.link(
                self.source / item.image, self.target / file, copy=self.originals == "copy"
            )
            return Copy(0, file, {i: row.box for i, row in enumerate(item.rows)})
        made, copy = self.make(pixels, item, number, file)
        if made is not None:
            # As the camera stored it: finer colours than those of the source would be made up.
            data = encode_jpeg(made, self.recipe.quality, "420")
            picture_files.write(self.target / file, data)
        return copy

    def make(
        self, pixels: Pixels, item: Item, number: int, file: str
    ) -> tuple[Pixels | None, Copy]:
        """One copy and its pixels, which are None where it has a reason not to be."""
        reason = ""
        for attempt in range(self.recipe.retries + 1):
            rng = generator(self.seed, item.image, number, attempt)
            sample = start(pixels, item.rows)
            boxed = bool(sample.fish)
            # Night vision of a night frame, for one, does nothing: such steps do not count.
            steps = tuple(
                step.config.name
                for step in self.plan.draw(rng, unboxed=sample.unboxed)
                if step.run(sample, rng)
            )
            seen = {fish.row: fish for fish in sample.fish if self._visible(fish)}
            if boxed and not seen and not sample.unboxed:
                reason = VANISHED
            elif not steps:
                reason = UNCHANGED
            else:
                boxes = {
                    i: _box(seen[i]) if row.box else None
                    for i, row in enumerate(item.rows)
                    if i in seen or row.box is None
                }
                return sample.pixels, Copy(number, file, boxes, steps)
        return None, Copy(number, file, {}, reason=reason)

    def _visible(self, fish: Fish) -> bool:
        sides = fish.box[2:] - fish.box[:2]
        enough = fish.shown >= self.recipe.min_visible
        return enough and float(sides.min()) >= self.recipe.min_side


def start(pixels: Pixels, rows: Sequence[LabelRow]) -> Sample:
    """A picture before its first step."""
    size = pixels.shape[1], pixels.shape[0]
    boxed = [fish_in(i, row.box, size) for i, row in enumerate(rows) if row.box]
    unboxed = any(row.box is None and row.label != NO_FISH for row in rows)
    return Sample(pixels, [fish for fish in boxed if fish], unboxed)


def generator(seed: int, image: str, number: int, attempt: int = 0) -> np.random.Generator:
    """The random numbers of one copy."""
    name = int.from_bytes(hashlib.sha256(image.encode()).digest()[:16], "little")
    return np.random.default_rng([seed, name, number, attempt])


def _box(fish: Fish) -> Box:
    x1, y1, x2, y2 = (round(float(v), 2) for v in fish.box)
    return x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)
