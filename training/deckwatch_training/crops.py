"""Examples for the classifier: crops around fish, around what is no fish, and whole pictures.

They are cut by the very functions that cut them in production.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.config import TrainConfig, ViewsConfig
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.views import colour
from deckwatch_vision.boxes import crop, iou, whole
from deckwatch_vision.species import NO_FISH

Pixels = NDArray[np.uint8]
# A window that overlaps no fish by more than this shows none.
EMPTY_IOU = 0.15


@dataclass(frozen=True)
class Example:
    """Where to look and what is there.

    `box` None: the whole picture; an empty tuple: anywhere without a fish. label: the data set's
    own name of what a box or a picture holds, None where the data set has not named it.
    """

    picture: Picture
    box: tuple[float, ...] | None
    code: str
    label: str | None = None


def picture_label(picture: Picture, species: dict[str, str]) -> str:
    """The species that covers most of the picture, else the picture's own label, else NoF."""
    area: dict[str, float] = {}
    for box, name in zip(picture.boxes, picture.names, strict=True):
        code = species[name]
        if code != NO_FISH:
            area[code] = area.get(code, 0.0) + float((box[2] - box[0]) * (box[3] - box[1]))
    if area:
        return max(sorted(area), key=area.__getitem__)
    return species[picture.label] if picture.label else NO_FISH


def labelled_only(picture: Picture) -> bool:
    """Whether a picture has a label and no boxes: a crop of one fish, or a folder per class."""
    return bool(picture.label) and not len(picture.boxes)


def unboxed(picture: Picture, species: dict[str, str]) -> bool:
    """Whether a picture shows fish, by its label, of which nobody has said where they are."""
    return labelled_only(picture) and picture_label(picture, species) != NO_FISH


def examples(data: DataSet, species: dict[str, str], *, boxes_only: bool = False) -> list[Example]:
    """Every box with its species, and whole pictures of which only the label is known.

    Unless `boxes_only`, also each whole picture and two windows without fish in it; no such windows
    where there are fish and nobody has said where.
    """
    found = []
    for picture in data.pictures:
        for box, name in zip(picture.boxes, picture.names, strict=True):
            found.append(Example(picture, tuple(float(v) for v in box), species[name], name))
        if not boxes_only or labelled_only(picture):
            label = picture.label if labelled_only(picture) else None
            found.append(Example(picture, None, picture_label(picture, species), label))
        if not boxes_only and not unboxed(picture, species):
            found += [Example(picture, (), NO_FISH)] * 2
    return found


def cut(example: Example, size: int, context: float) -> Pixels:
    """The crop of an example as production would cut it; uint8 [size, size, 3]."""
    pixels = example.picture.pixels()
    if example.box is None:
        return whole(pixels, size)
    return crop(pixels, np.array(example.box, np.float32), size, context)


def random_cut(example: Example, config: TrainConfig, rng: np.random.Generator) -> Pixels:
    """A crop off the mark, mirrored, turned and tinted at random."""
    views, size = config.views, config.model.input_size
    if example.box is None:
        pixels = whole(example.picture.pixels(), size)
    else:
        box = np.array(example.box or _empty(example.picture, config, rng), np.float32)
        sides = np.tile(box[2:] - box[:2], 2)
        box = box + (rng.uniform(-views.jitter, views.jitter, 4) * sides).astype(np.float32)
        context = config.model.context * float(np.exp(rng.uniform(-0.15, 0.15)))
        pixels = crop(example.picture.pixels(), box, size, context)
    if rng.random() < views.flip:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return colour(_turn(pixels, views, rng), views, rng)


def _turn(pixels: Pixels, views: ViewsConfig, rng: np.random.Generator) -> Pixels:
    side = pixels.shape[0]
    angle = rng.uniform(-views.turn, views.turn)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    turned = cv2.warpAffine(pixels, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8)


def _empty(picture: Picture, config: TrainConfig, rng: np.random.Generator) -> tuple[float, ...]:
    """A window that holds no fish, of a size that fish have; the emptiest of twelve tries."""
    fish = picture.select(config.data.fish).boxes
    best, least = (0.0, 0.0, float(picture.width), float(picture.height)), np.inf
    for _ in range(12):
        side = float(np.exp(rng.uniform(np.log(24), np.log(min(picture.width, picture.height)))))
        width, height = side, side * float(np.exp(rng.uniform(-0.6, 0.6)))
        x = rng.uniform(0, max(1.0, picture.width - width))
        y = rng.uniform(0, max(1.0, picture.height - height))
        box = (x, y, min(x + width, picture.width), min(y + height, picture.height))
        # IoU alone would let a large window hold a small fish: also look for centres inside.
        middle = (fish[:, :2] + fish[:, 2:]) / 2
        within = (middle > box[:2]).all(1) & (middle < box[2:]).all(1)
        overlap = float(iou(np.array([box], np.float32), fish).max(initial=0)) + float(within.sum())
        if overlap < least:
            best, least = box, overlap
        if overlap <= EMPTY_IOU:
            break
    return best
