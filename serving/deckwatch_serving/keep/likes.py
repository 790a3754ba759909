"""Near duplicates among kept pictures: the same scene with the same fish in the same places.

The look alone is not enough. On a fixed camera the background rules it, and the next fish of the
same species would be taken for the one before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deckwatch_serving.keep.record import Kept
from deckwatch_vision.boxes import iou
from deckwatch_vision.likeness import NEAR, distances

# IoU from which two boxes are of a fish that has not moved.
IN_PLACE = 0.5

Places = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Like:
    """What a picture is compared by: its hash, and its fish in shares of the picture's sides."""

    likeness: int
    places: Places

    @classmethod
    def of(cls, kept: Kept) -> Like:
        """That of a kept picture."""
        image = kept.result.image
        sides = (image.width, image.height, image.width, image.height)
        places = [
            [round(edge / side, 4) for edge, side in zip(fish.box, sides, strict=True)]
            for fish in kept.result.fish
        ]
        return cls(kept.likeness, places)

    def near_any(self, others: Sequence[tuple[int, str]]) -> bool:
        """Whether one of the others is a near duplicate, given their hashes and `packed` places.

        They have the same answer. There may be thousands, so only those that look alike are
        unpacked.
        """
        if not others:
            return False
        hashes = np.array([likeness for likeness, _ in others], np.uint64)
        near = np.flatnonzero(distances(self.likeness, hashes) <= NEAR)
        return any(_in_place(self.places, json.loads(others[place][1])) for place in near)

    @property
    def packed(self) -> str:
        """The places as text."""
        return json.dumps(self.places)


def camera_of(kept: Kept) -> str:
    """Where near duplicates are looked for: pictures of two cameras are never the same scene."""
    return f"{kept.origin.vessel or ''}/{kept.origin.camera or ''}"


def _in_place(ours: Places, theirs: Places) -> bool:
    """Whether every fish of either overlaps one of the other."""
    if len(ours) != len(theirs):
        return False
    if not ours:
        return True
    overlaps = iou(np.array(ours, np.float32), np.array(theirs, np.float32)) >= IN_PLACE
    return bool(overlaps.any(axis=0).all() and overlaps.any(axis=1).all())
