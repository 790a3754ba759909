"""From the detector's raw heads to boxes, in float32 numpy outside the net.

Outside the net the geometry stays exact when the net runs in bfloat16 or FP16, and only the few
rows over the threshold are computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from deckwatch_vision.errors import ReleaseCorrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Geometry = Callable[[Floats, Floats, Floats], Floats]

_MAX_LOG_SIDE = np.float32(12.0)  # exp(12) strides is wider than any canvas; keeps exp finite


def decode_heads(
    heads: Floats,
    kind: str,
    size: int,
    strides: Sequence[int],
    min_score: float,
    limit: int = 1000,
) -> tuple[Floats, Floats]:
    """Boxes and scores of the candidates of one picture.

    Args:
        heads: [A,5], the logit last. For the kinds with anchor points the rows go stride by stride,
            row-major over a grid of size/stride by size/stride points.
        kind: a name in HEADS.
        size: side of the canvas in pixels.
        strides: pixels between anchor points, level by level.
        min_score: rows below it are dropped.
        limit: at most so many rows are returned, those of the highest scores.

    Returns:
        Boxes [K,4] in canvas pixels (x1 y1 x2 y2, not clipped) and scores [K] from 0 to 1.

    Raises:
        ReleaseCorrupt: the net gave other rows than the release describes; export it again.
    """
    heads = np.asarray(heads, np.float32)
    geometry, anchored = HEADS[kind]
    if heads.ndim != 2 or heads.shape[1] != 5:
        raise ReleaseCorrupt(
            f"the detector gave heads of shape {heads.shape}, expected [A, 5]. "
            "Export the release again"
        )
    # Comparing logits first leaves a few rows of thousands for exp and the box arithmetic.
    rows = np.flatnonzero(heads[:, 4] >= _logit(min_score))
    if len(rows) > limit:
        rows = rows[np.argsort(-heads[rows, 4], kind="stable")[:limit]]
    points, steps = _anchor_points(size, tuple(strides))
    if anchored and len(points) != len(heads):
        raise ReleaseCorrupt(
            f"the detector gave {len(heads)} rows, a canvas of {size} with strides "
            f"{list(strides)} has {len(points)}. Export the release again"
        )
    if not anchored:
        return geometry(heads[rows, :4], heads[:0], heads[:0]), _sigmoid(heads[rows, 4])
    return geometry(heads[rows, :4], points[rows], steps[rows]), _sigmoid(heads[rows, 4])


def _yolox(raw: Floats, points: Floats, steps: Floats) -> Floats:
    """(dx, dy, log w, log h) in strides from the grid point (YOLOX, arXiv 2107.08430)."""
    centre = (points + raw[:, :2]) * steps
    half = np.exp(np.minimum(raw[:, 2:], _MAX_LOG_SIDE)) * steps / 2
    return np.concatenate((centre - half, centre + half), axis=1)


def _ltrb(raw: Floats, points: Floats, steps: Floats) -> Floats:
    """(left, top, right, bottom) in strides from the cell's centre (FCOS, arXiv 1904.01355)."""
    centre = points + np.float32(0.5)
    return np.concatenate(((centre - raw[:, :2]) * steps, (centre + raw[:, 2:]) * steps), axis=1)


def _boxes(raw: Floats, _points: Floats, _steps: Floats) -> Floats:
    """(x1, y1, x2, y2) in canvas pixels already."""
    return raw.copy()


HEADS: dict[str, tuple[Geometry, bool]] = {
    "yolox": (_yolox, True),
    "ltrb": (_ltrb, True),
    "boxes": (_boxes, False),
}
"""Kinds of heads by name: the geometry, and whether the rows belong to anchor points."""


@lru_cache(maxsize=8)
def _anchor_points(size: int, strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Grid coordinates [A,2] (x, y) and strides [A,1] of every row."""
    points, steps = [], []
    for stride in strides:
        side = size // stride
        ys, xs = np.mgrid[:side, :side]
        points.append(np.stack((xs.ravel(), ys.ravel()), axis=1))
        steps.append(np.full((side * side, 1), stride))
    return np.concatenate(points).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _logit(score: float) -> float:
    if score <= 0:
        return -math.inf
    return math.inf if score >= 1 else math.log(score / (1 - score))


def _sigmoid(logits: Floats) -> Floats:
    # Beyond +-80 the sigmoid is 0 or 1 in float32 anyway, and exp would overflow.
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
