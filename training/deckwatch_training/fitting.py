"""Boxes as somebody drew them to boxes of the upright picture: scaled, turned, clipped.

Tools differ in whether they obey EXIF, and data sets are scaled after they were labelled, so the
size that boxes were drawn on is held against the size that the picture really has.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deckwatch_training.catalogue import Box
from deckwatch_training.dataset import MIN_SIDE

# Sizes that are the same but for rounding while scaling.
_SAME_SHAPE = 0.01


@dataclass(frozen=True, slots=True)
class Fitted:
    """Boxes inside the picture; how many had to be clipped; those too thin to keep."""

    boxes: tuple[Box, ...]
    clipped: int
    thin: tuple[Box, ...]


def to_upright(
    boxes: tuple[Box, ...], drawn_on: tuple[int, int], width: int, height: int, orientation: int
) -> tuple[Box, ...] | None:
    """Boxes drawn on a picture of the size `drawn_on` (width, height), on the upright picture.

    A tool that ignored EXIF's orientation (5 to 8) drew on the stored rows and columns: those boxes
    are turned. None: the two sizes have nothing to do with each other.
    """
    if (
        orientation >= 5
        and _alike(drawn_on, (height, width))
        and not _alike(drawn_on, (width, height))
    ):
        scaled = tuple(_scale(box, height / drawn_on[0], width / drawn_on[1]) for box in boxes)
        return tuple(_turn(box, orientation, width, height) for box in scaled)
    if _alike(drawn_on, (width, height)):
        across, down = width / drawn_on[0], height / drawn_on[1]
        return boxes if across == down == 1 else tuple(_scale(b, across, down) for b in boxes)
    return None


def from_shares(boxes: tuple[Box, ...], width: int, height: int) -> tuple[Box, ...]:
    """Boxes in shares of the picture's sides, in pixels."""
    return tuple(_scale(box, width, height) for box in boxes)


def clip(boxes: tuple[Box, ...], width: int, height: int) -> Fitted:
    """Boxes cut to the picture; what is left under `MIN_SIDE` pixels wide or high is taken out.

    As `dataset.read_coco` does, so that nothing changes when a data set is imported first. Boxes
    that lie inside come back as they were, to the last digit.
    """
    kept, thin, clipped = [], [], 0
    for box in boxes:
        x1, y1 = max(0.0, box.x), max(0.0, box.y)
        x2, y2 = min(float(width), box.x + box.width), min(float(height), box.y + box.height)
        if not (x2 - x1 >= MIN_SIDE and y2 - y1 >= MIN_SIDE):  # also where a side is no number
            thin.append(box)
        elif (x1, y1, x2, y2) == (box.x, box.y, box.x + box.width, box.y + box.height):
            kept.append(box)
        else:
            kept.append(Box(box.label, x1, y1, x2 - x1, y2 - y1))
            clipped += 1
    return Fitted(tuple(kept), clipped, tuple(thin))


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] - one[1] * other[0]) <= _SAME_SHAPE * one[0] * other[1]


def _scale(box: Box, across: float, down: float) -> Box:
    return Box(box.label, box.x * across, box.y * down, box.width * across, box.height * down)


def _turn(box: Box, orientation: int, width: int, height: int) -> Box:
    """From stored rows and columns to the upright picture of this size (EXIF 2.32, tag 274)."""
    stored_width, stored_height = height, width
    # Transposing exchanges the axes; 6 and 7 then mirror the columns, 7 and 8 the rows.
    x, y = box.y, box.x
    if orientation in (6, 7):
        x = stored_height - (box.y + box.height)
    if orientation in (7, 8):
        y = stored_width - (box.x + box.width)
    return replace(box, x=x, y=y, width=box.height, height=box.width)
