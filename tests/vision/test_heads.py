"""Raw heads to boxes: each kind against its own inverse, written as loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deckwatch_vision.errors import ReleaseCorrupt
from deckwatch_vision.heads import HEADS, decode_heads

SIZE, STRIDES = 64, (8, 16, 32)
POINTS = [
    (x, y, stride)
    for stride in STRIDES
    for y in range(SIZE // stride)
    for x in range(SIZE // stride)
]


def inverse(kind: str, box: tuple[float, ...], point: tuple[int, int, int]) -> list[float]:
    """The head of a box at an anchor point."""
    x1, y1, x2, y2 = box
    x, y, stride = point
    if kind == "yolox":
        across, down = (x1 + x2) / 2 / stride - x, (y1 + y2) / 2 / stride - y
        return [across, down, math.log((x2 - x1) / stride), math.log((y2 - y1) / stride)]
    if kind == "ltrb":
        across, down = x + 0.5, y + 0.5
        edges = [across - x1 / stride, down - y1 / stride]
        return [*edges, x2 / stride - across, y2 / stride - down]
    return [x1, y1, x2, y2]


@pytest.mark.parametrize("kind", HEADS)
def test_every_row_of_every_kind(kind: str) -> None:
    chance = np.random.default_rng(1)
    corner, side = chance.uniform(-5, 50, (len(POINTS), 2)), chance.uniform(1, 40, (len(POINTS), 2))
    boxes = np.concatenate((corner, corner + side), axis=1)
    scores = chance.uniform(0.01, 0.99, len(POINTS))
    heads = np.array(
        [
            [*inverse(kind, tuple(box), point), math.log(score / (1 - score))]
            for box, point, score in zip(boxes, POINTS, scores, strict=True)
        ],
        np.float32,
    )

    found, sure = decode_heads(heads, kind, SIZE, STRIDES, 0.3)

    above = scores >= 0.3
    assert found.dtype == sure.dtype == np.float32
    assert np.abs(found - boxes[above]).max() < 1e-3
    assert np.abs(sure - scores[above]).max() < 1e-5


def rows(logits: np.ndarray | float) -> np.ndarray:
    heads = np.zeros((len(POINTS), 5), np.float32)
    heads[:, 4] = logits
    return heads


@pytest.mark.parametrize("kind", HEADS)
def test_no_candidate(kind: str) -> None:
    boxes, scores = decode_heads(rows(-9.0), kind, SIZE, STRIDES, 0.2)

    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_the_limit_keeps_the_best() -> None:
    logits = np.random.default_rng(2).normal(0, 2, len(POINTS)).astype(np.float32)
    _, scores = decode_heads(rows(logits), "yolox", SIZE, STRIDES, 0.0, limit=10)
    best = np.sort(logits)[::-1][:10]

    assert np.allclose(np.sort(scores)[::-1], 1 / (1 + np.exp(-best)))


def test_thresholds_at_both_ends() -> None:
    logits = rows(np.linspace(-90, 90, len(POINTS)))

    assert len(decode_heads(logits, "boxes", SIZE, STRIDES, 0.0)[1]) == len(POINTS)
    assert len(decode_heads(logits, "boxes", SIZE, STRIDES, 1.0)[1]) == 0


def test_wild_numbers_give_no_warning_and_no_candidate_of_nan() -> None:
    heads = rows(3.0)
    heads[0] = np.nan
    heads[1, 2:4] = 1e6
    heads[2, 2:4] = -1e6
    heads[3, :4] = np.inf
    boxes, scores = decode_heads(heads, "yolox", SIZE, STRIDES, 0.2)

    assert len(boxes) == len(POINTS) - 1
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("shape", [(10, 5), (84, 4), (84,), (1, 84, 5)])
def test_heads_that_are_not_the_releases_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ReleaseCorrupt, match="Export the release again"):
        decode_heads(np.ones(shape, np.float32), "yolox", SIZE, STRIDES, 0.2)


def test_a_kind_without_anchor_points_takes_any_number_of_rows() -> None:
    boxes, _ = decode_heads(np.ones((7, 5), np.float32), "boxes", SIZE, STRIDES, 0.2)

    assert boxes.shape == (7, 4)
