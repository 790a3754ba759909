"""Learns what each camera always sees from pictures of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from deckwatch_client.background import compare
from deckwatch_client.background.options import FEWEST, BackgroundOptions
from deckwatch_client.background.store import Background, Backgrounds
from deckwatch_serving.output_folder import writing_into
from deckwatch_vision.daylight import is_night
from deckwatch_vision.errors import ImageError
from deckwatch_vision.images import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

# Bytes that medians are taken over at once.
_STRIP = 8_000_000


@dataclass(frozen=True, slots=True)
class Learnt:
    """What became of one camera by day or by night.

    pictures: how many were looked at; backgrounds: one for each way the camera looked; left_out:
    pictures that belong to none of these.
    """

    camera: str | None
    night: bool
    pictures: int
    backgrounds: tuple[Background, ...]
    left_out: int

    @property
    def used(self) -> int:
        """Pictures that went into a background."""
        return sum(each.pictures for each in self.backgrounds)

    def __str__(self) -> str:
        where = f"{'camera without a name' if self.camera is None else self.camera}"
        light = "night" if self.night else "day"
        text = f"{where} by {light}: "
        if not self.backgrounds:
            return (
                f"{text}nothing learnt from {self.pictures} pictures; {FEWEST} or more that show "
                "the same view are needed"
            )
        made = " and ".join(f"{each.pictures}" for each in self.backgrounds)
        views = "" if len(self.backgrounds) == 1 else f" ({len(self.backgrounds)} views)"
        left = f"; {self.left_out} pictures show something else" if self.left_out else ""
        return f"{text}learnt from {made} pictures{views}{left}"


@dataclass
class _Group:
    """Pictures that show the same: the first one's edges, and all of them."""

    edges: NDArray[np.float32]
    size: tuple[int, int]
    pictures: list[Pixels] = field(default_factory=list)


def learn(
    items: Iterable[tuple[str | None, bytes]], store: Backgrounds, options: BackgroundOptions
) -> list[Learnt]:
    """Learn every camera's backgrounds and keep them in the store; see `BackgroundStage`.

    Raises:
        UsageError: the folder cannot be written.
        ValueError: a camera's pictures do not come one after another.
    """
    done: list[Learnt] = []
    with writing_into(store.path):
        for camera, group in groupby(items, key=lambda item: item[0]):
            if any(each.camera == camera for each in done):
                raise ValueError(f"pictures of {camera!r} after those of another camera: sort them")
            store.forget(camera)
            for learnt in _camera(camera, (data for _, data in group), options):
                for background in learnt.backgrounds:
                    store.write(background)
                done.append(learnt)
    return done


def _camera(
    camera: str | None, pictures: Iterable[bytes], options: BackgroundOptions
) -> Iterator[Learnt]:
    kept: dict[bool, list[tuple[Pixels, tuple[int, int]]]] = {False: [], True: []}
    for data in pictures:
        try:
            pixels = decode(data)
        except ImageError:
            continue
        height, width = pixels.shape[:2]
        kept[is_night(pixels)].append((compare.small(pixels).copy(), (width, height)))
    for night, given in kept.items():
        if not given:
            continue
        looked = _evenly(given, options.sample)
        views = _views(looked)
        found = [view for view in views if len(view.pictures) >= FEWEST]
        backgrounds = tuple(
            _background(view, camera, night, number, options.method)
            for number, view in enumerate(found, 1)
        )
        used = sum(len(view.pictures) for view in found)
        yield Learnt(camera, night, len(looked), backgrounds, len(looked) - used)


def _evenly(given: list[Any], most: int) -> list[Any]:
    count = min(len(given), most)
    return [given[place * len(given) // count] for place in range(count)]


def _views(given: Iterable[tuple[Pixels, tuple[int, int]]]) -> list[_Group]:
    """Pictures by what they show; the fullest view first.

    A picture belongs to the view whose first picture it agrees with most, or begins one.
    """
    views: list[_Group] = []
    for pixels, size in given:
        edges = compare.gradients(pixels)
        best, chosen = compare.SAME_VIEW, None
        for view in views:
            if compare.same_shape(size, view.size):
                correlation, shift = compare.alike(edges, view.edges)
                if correlation >= best and shift == (0, 0):
                    best, chosen = correlation, view
        if chosen is None:
            chosen = _Group(edges, size)
            views.append(chosen)
        chosen.pictures.append(_sized(pixels, chosen))
    return sorted(views, key=lambda view: -len(view.pictures))


def _sized(pixels: Pixels, view: _Group) -> Pixels:
    if not view.pictures or pixels.shape == view.pictures[0].shape:
        return pixels
    height, width = view.pictures[0].shape[:2]
    return np.asarray(cv2.resize(pixels, (width, height)), np.uint8)


def _background(
    view: _Group, camera: str | None, night: bool, number: int, method: str
) -> Background:
    pictures = view.pictures
    picture = _median(pictures) if method == "median" else _mixture(pictures)
    return Background(
        picture, _spread(pictures, picture), camera, night, number, view.size, len(pictures), method
    )


def _median(pictures: list[Pixels]) -> Pixels:
    """The middle value of every pixel and channel, [h,w,3]."""
    found = np.empty_like(pictures[0])
    for rows in _strips(pictures):
        stack = np.stack([each[rows] for each in pictures])
        stack.partition(len(stack) // 2, axis=0)
        found[rows] = stack[len(stack) // 2]
    return found


def _mixture(pictures: list[Pixels]) -> Pixels:
    """The background that OpenCV's mixture of Gaussians settles on (Zivkovic 2004)."""
    model = cv2.createBackgroundSubtractorMOG2(history=len(pictures), detectShadows=False)
    for number, each in enumerate(pictures, 1):
        # Every picture counts the same, whichever comes first.
        model.apply(each, learningRate=1 / number)
    return np.asarray(model.getBackgroundImage(), np.uint8)


def _spread(pictures: list[Pixels], middle: Pixels) -> Pixels:
    found = np.empty(middle.shape[:2], np.uint8)
    for rows in _strips(pictures):
        stack = np.stack([cv2.absdiff(each[rows], middle[rows]) for each in pictures])
        stack.partition(len(stack) // 2, axis=0)
        found[rows] = stack[len(stack) // 2].max(axis=2)
    return found


def _strips(pictures: list[Pixels]) -> Iterator[slice]:
    height, width = pictures[0].shape[:2]
    rows = max(1, _STRIP // (len(pictures) * width * 3))
    return (slice(top, top + rows) for top in range(0, height, rows))
