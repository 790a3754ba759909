"""A release run over a data set, its slow part once.

What the detector proposes on each picture and what the classifier says of it are kept; thresholds,
veto and fusion are then tried on these in no time, by the very functions that production uses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.dataset import Picture
from deckwatch_training.detection import MAX_BOXES, MIN_SCORE, Found
from deckwatch_vision.boxes import Letterbox, letterbox
from deckwatch_vision.errors import BrokenImage, ImageError, UnreadableImage
from deckwatch_vision.images import decode
from deckwatch_vision.recognise import Fused, find_fish, fuse, make_crops
from deckwatch_vision.release import Release

Floats = NDArray[np.float32]
Net = Callable[[NDArray[np.uint8]], Floats]
# Crops that the classifier gets at once: more would only take memory.
BATCH = 32


def read_picture(picture: Picture) -> NDArray[np.uint8]:
    """Upright RGB uint8 [H, W, 3]; not kept in memory, so that a set may be of any size.

    Raises:
        ImageError: the file cannot be read, or is of another size than the data set says, so that
            its boxes mean something else; the message names the file.
    """
    try:
        pixels = decode(picture.path.read_bytes())
    except OSError as error:
        raise UnreadableImage(f"{picture.path}: {error.strerror}. Correct the data set.") from None
    except ImageError as error:
        raise type(error)(f"{picture.path}: {error.message}") from None
    height, width = pixels.shape[:2]
    if (width, height) != (picture.width, picture.height):
        raise BrokenImage(
            f"{picture.path} is {width} x {height}, the data set says {picture.width} x "
            f"{picture.height}. Import it again."
        )
    return pixels


@dataclass(frozen=True)
class Heads:
    """A picture and the detector's raw heads on its canvas: those of its rows that can count.

    A detector gives thousands of rows a picture, of which few score at all; keeping those makes a
    large set fit in memory.
    """

    picture: Picture
    kept: NDArray[np.int64]
    rows: Floats
    anchors: int
    fit: Letterbox

    @classmethod
    def of(cls, picture: Picture, heads: Floats, fit: Letterbox) -> Heads:
        """From all rows [A, 5], the logit last."""
        kept = np.flatnonzero(heads[:, 4] >= np.log(MIN_SCORE / (1 - MIN_SCORE)))
        return cls(picture, kept, heads[kept], len(heads), fit)

    @property
    def heads(self) -> Floats:
        """All rows [A, 5]; those that cannot count say "no fish" for certain."""
        dense = np.zeros((self.anchors, 5), np.float32)
        dense[:, 4] = -80.0
        dense[self.kept] = self.rows
        return dense


@dataclass(frozen=True)
class Rows:
    """A picture and the classifier's rows for it, the whole picture last: logits [R, C]."""

    picture: Picture
    boxes: Floats
    scores: Floats
    logits: Floats

    def fused(self, release: Release) -> Fused:
        """The answer under a release.

        Candidates under its threshold or beyond its `max_fish` are left out, and so is a
        whole-picture row that it would not compute.
        """
        spec = release.detector
        keep = np.flatnonzero(self.scores >= spec.candidate_threshold)[: spec.max_fish]
        if release.fusion.whole_picture == "always" or not len(keep):
            keep = np.append(keep, len(self.scores) - 1)
        return fuse(self.logits[keep], self.boxes[keep], self.scores[keep], release)


def run_detector(detector: Net, pictures: Sequence[Picture], release: Release) -> list[Heads]:
    """The raw heads for every picture.

    Raises:
        ImageError: see `read_picture`.
    """
    rows = []
    for picture in pictures:
        canvas, fit = letterbox(read_picture(picture), release.detector.input_size)
        rows.append(Heads.of(picture, detector(canvas[None])[0], fit))
    return rows


def wide(release: Release) -> Release:
    """The same release with nothing left out: candidates down to `MIN_SCORE`, all rows."""
    return replace(
        release,
        detector=replace(release.detector, candidate_threshold=MIN_SCORE, max_fish=MAX_BOXES),
        fusion=replace(release.fusion, whole_picture="always", score_threshold=0.0),
    )


def candidates(rows: Sequence[Heads], release: Release) -> list[Found]:
    """What the detector alone proposes."""
    return [
        Found(*find_fish(row.heads, (row.fit, row.picture.height, row.picture.width), release))
        for row in rows
    ]


def run_classifier(
    classifier: Net, rows: Sequence[Heads], found: Sequence[Found], release: Release
) -> list[Rows]:
    """The classifier's word on every candidate and on every whole picture.

    Raises:
        ImageError: see `read_picture`.
    """
    return [
        classify(classifier, row.picture, read_picture(row.picture), got, release)
        for row, got in zip(rows, found, strict=True)
    ]


def classify(
    classifier: Net,
    picture: Picture,
    pixels: NDArray[np.uint8],
    found: Found,
    release: Release,
) -> Rows:
    """The classifier's word on the candidates of one picture and on the whole of it."""
    crops, boxes, scores = make_crops(pixels, found.boxes, found.scores, wide(release))
    logits = [classifier(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
    return Rows(picture, boxes, scores, np.concatenate(logits))


def reported(rows: Sequence[Rows], release: Release) -> list[Found]:
    """The fish of every picture under a release, with their final scores."""
    fused = [row.fused(release) for row in rows]
    return [Found(f.boxes, f.scores) for f in fused]
