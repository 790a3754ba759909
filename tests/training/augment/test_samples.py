"""Fish follow every move: exactly along the axes, tightly when turned; hidden fish count less."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deckwatch_training.augment import geometry
from deckwatch_training.augment.cover import cutout
from deckwatch_training.augment.samples import Sample, clip, fish_in
from deckwatch_vision.boxes import iou
from tests.training.augment.conftest import BOX, SIZE, deck


def _sample(*boxes: tuple[float, float, float, float], unboxed: bool = False) -> Sample:
    fish = [fish_in(i, box, SIZE) for i, box in enumerate(boxes or [BOX])]
    return Sample(deck(0), [each for each in fish if each], unboxed)


def _white(pixels: np.ndarray) -> np.ndarray:
    """The box round the white fish in the pixels."""
    rows, columns = np.nonzero((pixels > 200).all(2))
    return np.array((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), np.float32)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(iou(np.array([a], np.float32), np.array([b], np.float32))[0, 0])


@pytest.mark.parametrize("degrees", range(30, 360, 30))
@pytest.mark.parametrize("canvas", ["grow", "keep"])
def test_boxes_stay_tight_when_turned(degrees: int, canvas: str) -> None:
    sample = _sample()
    geometry._turn(sample, degrees, canvas)
    (fish,) = sample.fish
    # The white fish is the inscribed ellipse, so the box must fit to within the pixels' steps.
    assert _overlap(fish.box, _white(sample.pixels)) > 0.85
    if canvas == "grow":
        assert fish.shown == pytest.approx(1, abs=1e-6)
        assert fish.box.min() >= 0
        assert (fish.box[2:] <= sample.size).all()


def test_the_corners_of_a_box_would_give_a_box_far_too_large() -> None:
    sample = _sample()
    geometry._turn(sample, 30, "grow")
    tight = sample.fish[0].box
    corners = 36 * np.cos(np.pi / 6) + 16 * np.sin(np.pi / 6)
    assert tight[2] - tight[0] == pytest.approx(np.hypot(36 * np.cos(np.pi / 6), 8), rel=0.01)
    assert tight[2] - tight[0] < 0.85 * corners


def test_twelve_turns_of_30_degrees_come_home() -> None:
    sample = _sample()
    before = sample.fish[0].box
    for _ in range(12):
        geometry._turn(sample, 30, "keep")
    assert sample.fish[0].box == pytest.approx(before, abs=0.1)


@pytest.mark.parametrize("name", ["flip", "rescale", "crop", "shift", "rotate"])
def test_the_box_is_where_the_fish_went(name: str) -> None:
    for seed in range(12):
        sample = _sample()
        assert getattr(geometry, name)(sample, np.random.default_rng(seed))
        whole = [fish for fish in sample.fish if fish.shown > 0.999]
        for fish in whole:
            assert _overlap(fish.box, _white(sample.pixels)) > 0.8, (name, seed)


def test_moves_along_the_axes_keep_the_box_itself() -> None:
    sample = _sample()
    geometry.flip(sample, np.random.default_rng(0))
    assert sample.fish[0].box.tolist() == [30, 20, 66, 36]  # mirrored on 96 pixels
    matrix = np.array([[1.0, 0, -48], [0, 1.0, 0]])
    sample.move(np.ascontiguousarray(sample.pixels[:, 48:]), matrix)
    assert sample.fish[0].box.tolist() == [0, 20, 18, 36]
    assert sample.fish[0].shown == pytest.approx(0.5)


def test_a_fish_that_left_the_picture_is_forgotten() -> None:
    sample = _sample(BOX, (80, 50, 16, 14))
    sample.move(np.ascontiguousarray(sample.pixels[:, :70]), np.eye(2, 3))
    assert [fish.row for fish in sample.fish] == [0]


def test_labels_beyond_the_frame_are_cut_to_it_or_left() -> None:
    cut = fish_in(0, (-10, 50, 30, 30), SIZE)
    assert cut is not None
    assert cut.box.tolist() == [0, 50, 20, 64]
    assert cut.shown == 1
    assert fish_in(0, (200, 10, 30, 30), SIZE) is None


def test_clipping_a_polygon_by_hand() -> None:
    diamond = np.array([[0, -5], [5, 0], [0, 5], [-5, 0]], np.float64)
    corners = {tuple(point) for point in clip(diamond, (10, 10)).tolist()}
    assert corners == {(0, 0), (0, 5), (5, 0)}
    assert clip(diamond + 100.0, (10, 10)).shape == (0, 2)


def test_what_is_hidden_is_counted() -> None:
    sample = _sample()
    x, y, w, h = BOX
    half = np.array([[x, y], [x + w / 2, y], [x + w / 2, y + h], [x, y + h]])
    sample.cover(half[None])
    assert sample.fish[0].shown == pytest.approx(0.5, abs=0.05)
    assert sample.fish[0].box.tolist() == [x, y, x + w, y + h]


def test_bars_hide_the_pixels_that_they_count_as_hidden() -> None:
    for seed in range(8):
        sample = _sample()
        before = int((sample.pixels > 200).all(2).sum())
        cutout(sample, np.random.default_rng(seed), number=(2, 2), size=(0.3, 0.4))
        left = int((sample.pixels > 200).all(2).sum()) / before
        shown = sample.fish[0].shown if sample.fish else 0.0
        # A bar may have taken its colour from the fish, and then hides nothing of the white.
        assert left == pytest.approx(shown, abs=0.15) or left > shown


def test_no_part_of_fish_without_a_box_is_lost() -> None:
    for seed in range(10):
        sample = _sample(unboxed=True)
        before = int((sample.pixels > 200).all(2).sum())
        geometry.rotate30(sample, np.random.default_rng(seed), canvas="keep")
        geometry.rescale(sample, np.random.default_rng(seed), scale=(0.8, 3.0))
        scale = (sample.fish[0].box[2:] - sample.fish[0].box[:2]).prod() / (BOX[2] * BOX[3])
        assert sample.fish[0].shown > 0.99
        assert int((sample.pixels > 150).all(2).sum()) > 0.5 * min(1, scale) * before


def test_half_a_pixel_is_not_lost_in_a_warp() -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    cv2.rectangle(pixels, (10, 10), (19, 19), (255, 255, 255), -1)
    found = fish_in(0, (10, 10, 10, 10), (40, 40))
    assert found
    sample = Sample(pixels, [found])
    sample.warp(np.array([[2.0, 0, 0], [0, 2.0, 0]]), (80, 80))
    assert sample.fish[0].box.tolist() == [20, 20, 40, 40]
    assert (sample.pixels[21:39, 21:39] > 250).all()
    assert sample.pixels[:19].max() < 130
    assert sample.pixels[41:].max() < 130
