"""Fish followed from frame to frame: which boxes of a video are one and the same fish.

The linear assignment tracker of Jaqaman et al., Robust single-particle tracking in live-cell
time-lapse sequences, Nature Methods 5 (2008), as laptrack has it: first boxes of neighbouring
frames are paired at the least total cost, then ends and beginnings of the pieces across gaps. Fish
neither split nor merge. It needs the extra `video`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deckwatch_vision.errors import MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Boxes = NDArray[np.float32]

# The cost of a pair is 1 - GIoU, from 0 (the same box) to 2. 1.2 lets a fish swim one and a half
# of its lengths from one sample to the next; much more pairs strangers.
CUTOFF = 1.2
# Samples in which a fish may be missed, hidden or overlooked, and still be the same one: the fewest
# at any rate, and as many as fill these seconds.
GAP, GAP_S = 2, 1.0
HINT = "Fish are not followed: that needs laptrack. Install it with: pip install 'deckwatch[video]'"


def can_follow() -> bool:
    """Whether the tracker is installed; `HINT` says what to do about it."""
    return importlib.util.find_spec("laptrack") is not None


def gap_at(rate_hz: float) -> int:
    """How many samples in a row a fish may be missed, at so many samples a second."""
    return max(GAP, round(GAP_S * rate_hz))


def follow_boxes(samples: Sequence[Boxes], *, gap: int = GAP) -> list[list[int]]:
    """For each box of each sample the number of its track.

    Tracks are numbered from 0 by their first box; every box has one, if it is seen once only.

    Args:
        samples: for each sample of a video in order of time the boxes [N,4] found in it.
        gap: samples in a row in which a fish may be missed.

    Raises:
        MissingExtra: laptrack is not installed.
    """
    numbers = [[-1] * len(boxes) for boxes in samples]
    known = 0
    for start, end in _busy(samples, gap):
        linked = _links(samples[start:end], gap)
        for (sample, index), track in linked.items():
            numbers[start + sample][index] = known + track
        known += 1 + max(linked.values())
    return numbers


def generalised_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """GIoU of two boxes x1 y1 x2 y2, -1 to 1: the IoU, and below 0 how far apart they are.

    Rezatofighi et al., Generalized intersection over union, CVPR 2019.
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    union = _area(one) + _area(other) - shared
    hull = (max(one[2], other[2]) - min(one[0], other[0])) * (
        max(one[3], other[3]) - min(one[1], other[1])
    )
    if union <= 0 or hull <= 0:
        return -1.0
    return float(shared / union - (hull - union) / hull)


def _links(samples: Sequence[Boxes], gap: int) -> dict[tuple[int, int], int]:
    """(sample, index) -> track, of one busy stretch."""
    nodes = [(sample, index) for sample, boxes in enumerate(samples) for index in range(len(boxes))]
    if sum(len(boxes) > 0 for boxes in samples) < 2:
        return {node: track for track, node in enumerate(nodes)}
    tracker = _tracker(gap)
    found: dict[tuple[int, int], int] = {}
    known = 0
    tree = tracker.predict([boxes.reshape(-1, 4).astype(np.float64) for boxes in samples])
    for node in nodes:
        if node in found:
            continue
        # Without splits and merges a track is a chain: from its first box on.
        here: tuple[int, int] | None = node
        while here is not None:
            found[here] = known
            here = next(((int(a), int(b)) for a, b in tree.successors(here)), None)
        known += 1
    return found


def _tracker(gap: int) -> Any:
    try:
        from laptrack import LapTrack
    except ModuleNotFoundError as error:
        raise MissingExtra(HINT) from error

    def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        return 1 - generalised_iou(one, other)

    # To be alone costs as much as the worst pair, so that whatever may be paired is; laptrack's own
    # choice would depend on what else is in the video.
    alone = CUTOFF
    settings: dict[str, Any] = {
        "metric": apart, "cutoff": CUTOFF, "track_start_cost": alone, "track_end_cost": alone,
        "gap_closing_metric": apart, "gap_closing_cutoff": CUTOFF,
        "gap_closing_max_frame_count": gap + 1,
        "segment_start_cost": alone, "segment_end_cost": alone,
        "splitting_cutoff": False, "merging_cutoff": False,
    }  # fmt: skip
    return LapTrack(**settings)


def _busy(samples: Sequence[Boxes], gap: int) -> Iterator[tuple[int, int]]:
    """Stretches [start, end) between so many empty samples that no track spans them.

    They are followed one by one: closing gaps costs the square of what is looked at together.
    """
    start: int | None = None
    last = -1
    for place, boxes in enumerate(samples):
        if not len(boxes):
            continue
        if start is not None and place - last > gap + 1:
            yield start, last + 1
            start = None
        start = place if start is None else start
        last = place
    if start is not None:
        yield start, last + 1


def _area(box: NDArray[np.float64]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
