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
from deckwatch_vision.recognise import Fused, find_fish, fuse, make_crops
from deckwatch_vision.release import Release

Floats = NDArray[np.float32]
Net = Callable[[NDArray[np.uint8]], Floats]


@dataclass(frozen=True)
class Heads:
    """A picture and the detector's raw heads [A, 5] on its canvas."""

    picture: Picture
    heads: Floats
    fit: Letterbox


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
    """The raw heads for every picture."""
    rows = []
    for picture in pictures:
        canvas, fit = letterbox(picture.pixels(), release.detector.input_size)
        rows.append(Heads(picture, detector(canvas[None])[0], fit))
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
    """The classifier's word on every candidate and on every whole picture."""
    everything = wide(release)
    answers = []
    for row, got in zip(rows, found, strict=True):
        crops, boxes, scores = make_crops(row.picture.pixels(), got.boxes, got.scores, everything)
        answers.append(Rows(row.picture, boxes, scores, classifier(crops)))
    return answers


def reported(rows: Sequence[Rows], release: Release) -> list[Found]:
    """The fish of every picture under a release, with their final scores."""
    fused = [row.fused(release) for row in rows]
    return [Found(f.boxes, f.scores) for f in fused]
