"""Learns what each camera always sees from pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

# A pixel that wavers by more than this, of 255, is restless; where more than this share of them
# are, too little stands still for a background. Simulated cameras have 0.07 at the most.
RESTLESS, MOST_RESTLESS = 25, 0.3
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
                f"{text}nothing learnt from {self.pictures} pictures: {FEWEST} or more are needed "
                "in which most of the view stands still"
            )
        made = " and ".join(f"{each.pictures}" for each in self.backgrounds)
        views = "" if len(self.backgrounds) == 1 else f" ({len(self.backgrounds)} views)"
        left = f"; {self.left_out} show something else" if self.left_out else ""
        return f"{text}learnt from {made} pictures{views}{left}"


@dataclass
class _Group:
    """Pictures that show the same: the first one's edges, and all of them."""

    edges: NDArray[np.float32]
    size: tuple[int, int]
    pictures: list[Pixels] = field(default_factory=list)


def learn(
    items: Iterable[tuple[str | None, bytes]],
    store: Backgrounds,
    options: BackgroundOptions,
    unread: Callable[[ImageError], None] | None = None,
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
            for learnt in _camera(camera, (data for _, data in group), options, unread):
                if learnt.backgrounds:
                    store.forget(camera, night=learnt.night)
                for background in learnt.backgrounds:
                    store.write(background)
                done.append(learnt)
    return done


def _camera(
    camera: str | None,
    pictures: Iterable[bytes],
    options: BackgroundOptions,
    unread: Callable[[ImageError], None] | None,
) -> Iterator[Learnt]:
    kept: dict[bool, list[tuple[Pixels, tuple[int, int]]]] = {False: [], True: []}
    for data in pictures:
        try:
            pixels = decode(data)
        except ImageError as error:
            if unread is not None:
                unread(error)
            continue
        height, width = pixels.shape[:2]
        kept[is_night(pixels)].append((compare.small(pixels).copy(), (width, height)))
    for night, given in kept.items():
        if not given:
            continue
        looked = _evenly(given, options.sample)
        groups = [group for group in _groups(looked) if len(group.pictures) >= FEWEST]
        backgrounds: list[Background] = []
        for group in groups:
            found = _background(group, camera, night, len(backgrounds) + 1, options.method)
            if np.mean(found.spread > RESTLESS) <= MOST_RESTLESS:
                backgrounds.append(found)
        used = sum(each.pictures for each in backgrounds)
        yield Learnt(camera, night, len(looked), tuple(backgrounds), len(looked) - used)


def _evenly(given: list[Any], most: int) -> list[Any]:
    count = min(len(given), most)
    return [given[place * len(given) // count] for place in range(count)]


def _groups(given: Iterable[tuple[Pixels, tuple[int, int]]]) -> list[_Group]:
    """Pictures by the view they show; the fullest group first.

    A picture belongs to the group whose first picture it agrees with most, or begins one.
    """
    groups: list[_Group] = []
    for pixels, size in given:
        edges = compare.gradients(pixels)
        best, chosen = compare.SAME_VIEW, None
        for group in groups:
            if compare.same_shape(size, group.size):
                correlation, shift = compare.alike(edges, group.edges)
                if correlation >= best and shift == (0, 0):
                    best, chosen = correlation, group
        if chosen is None:
            chosen = _Group(edges, size)
            groups.append(chosen)
        chosen.pictures.append(_sized(pixels, chosen))
    return sorted(groups, key=lambda group: -len(group.pictures))


def _sized(pixels: Pixels, view: _Group) -> Pixels:
    if not view.pictures or pixels.shape == view.pictures[0].shape:
        return pixels
    height, width = view.pictures[0].shape[:2]
    return np.asarray(cv2.resize(pixels, (width, height)), np.uint8)


def _background(
    view: _Group, camera: str | None, night: bool, number: int, method: str
) -> Background:
    # The light of the day is no change: each picture is lit as the middle of all is.
    usual = _median(view.pictures)
    pictures = [compare.relit(each, usual) for each in view.pictures]
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
