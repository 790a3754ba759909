from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from deckwatch_training.dataset import read_coco
from deckwatch_training.views import ViewConfig, view

# No change of colour, so that a thing can be found again by its own.
PLAIN = ViewConfig(light=0, contrast=0, colour=0, hue=0)


def _red(canvas: np.ndarray) -> np.ndarray:
    pixels = canvas.astype(int)
    return (pixels[..., 0] > 180) & (pixels[..., 1] < 110) & (pixels[..., 2] < 110)


def test_boxes_follow_the_pixels(data: tuple[Path, Path]) -> None:
    """Nearly all of a red bar lies inside the boxes of bars, and they hold little else."""
    bars = read_coco(data[0]).select(["bar"])
    seen = lost = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        picture, *others = (bars.pictures[i] for i in rng.integers(0, len(bars), 4))
        canvas, boxes = view(picture, others, 128, replace(PLAIN, scale=(0.9, 1.2)), rng)
        inside = np.zeros(canvas.shape[:2], bool)
        for x1, y1, x2, y2 in np.round(boxes).astype(int):
            inside[max(0, y1 - 2) : y2 + 2, max(0, x1 - 2) : x2 + 2] = True
        red = _red(canvas)
        seen += int(red.sum())
        lost += int((red & ~inside).sum())
        assert (boxes >= 0).all()
        assert (boxes <= 128).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert seen > 5000
    # What is left outside are parts of bars of which too little was to be seen.
    assert lost < 0.1 * seen


def test_the_same_seed_gives_the_same_view(data: tuple[Path, Path]) -> None:
    pictures = read_coco(data[0]).pictures
    views = [
        view(pictures[0], pictures[1:4], 96, ViewConfig(), np.random.default_rng((1, 2, seed)))
        for seed in (3, 3, 4)
    ]
    assert (views[0][0] == views[1][0]).all()
    assert (views[0][1] == views[1][1]).all()
    assert (views[0][0] != views[2][0]).any()
