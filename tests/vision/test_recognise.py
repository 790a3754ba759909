"""The steps of one picture, with nets that are plain functions of the pixels."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from deckwatch_vision.boxes import crop, letterbox, whole
from deckwatch_vision.errors import BrokenImage, TooManyPixels
from deckwatch_vision.images import decode
from deckwatch_vision.recognise import (
    Fused,
    assemble,
    find_fish,
    fuse,
    make_crops,
    prepare,
    recognise,
)
from deckwatch_vision.release import Release
from deckwatch_vision.result import ImageInfo
from tests.vision import pictures
from tests.vision.releases import release

RED = (220, 20, 20)
ROWS = 64 + 16 + 4


def deck(*boxes: tuple[int, int, int, int], height: int = 96, width: int = 128) -> pictures.Pixels:
    """A grey deck with red fish."""
    image = np.full((height, width, 3), 90, np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = RED
    return image


def red_detector(canvases: np.ndarray) -> np.ndarray:
    """Heads of a detector that finds the red rectangle around each grid point of stride 8: its
    box by walking outwards from the point."""
    heads = np.zeros((len(canvases), ROWS, 5), np.float32)
    heads[..., 4] = -9
    for place, canvas in enumerate(canvases):
        red = (canvas[..., 0] > 180) & (canvas[..., 1] < 80)
        for row in range(64):
            y, x = row // 8, row % 8
            if not red[y * 8, x * 8]:
                continue
            columns, lines = run(red[y * 8], x * 8), run(red[:, x * 8], y * 8)
            width, height = columns[1] - columns[0], lines[1] - lines[0]
            centre = sum(columns) / 16, sum(lines) / 16
            size = math.log(width / 8), math.log(height / 8)
            heads[place, row] = (centre[0] - x, centre[1] - y, *size, 2.0 + row / 100)
    return heads


def run(line: np.ndarray, start: int) -> tuple[int, int]:
    """The unbroken run of True around `start`, as a half-open range."""
    first, last = start, start
    while first > 0 and line[first - 1]:
        first -= 1
    while last < len(line) and line[last]:
        last += 1
    return first, last


def red_classifier(crops: np.ndarray) -> np.ndarray:
    """Logits: SHARK for wide fish, RAY for tall ones, no fish where there is no red."""
    red = (crops[..., 0] > 150) & (crops[..., 1] < 100)
    wide, tall = red.any(axis=1).sum(axis=1), red.any(axis=2).sum(axis=1)
    some = red.any(axis=(1, 2))
    logits = np.stack((np.where(some, -2, 4), 0 * wide, wide - tall, tall - wide), axis=1)
    return logits.astype(np.float32)


def test_a_deck_with_fish_end_to_end() -> None:
    boxes = [(16, 20, 66, 36), (90, 30, 108, 80)]
    data = pictures.encoded(deck(*boxes), "PNG")

    result = recognise(data, red_detector, red_classifier, release(), file="deck.png")

    assert [fish.label for fish in sorted(result.fish, key=lambda one: one.box)] == ["SHARK", "RAY"]
    for fish, box in zip(sorted(result.fish, key=lambda one: one.box), boxes, strict=True):
        assert np.abs(np.array(fish.box) - box).max() <= 2
    assert result.label in ("SHARK", "RAY")
    assert sum(result.likelihoods.values()) == pytest.approx(1, abs=1e-5)
    assert (result.image.width, result.image.height) == (128, 96)
    assert result.image.sha256 == hashlib.sha256(data).hexdigest()
    assert result.image.file == "deck.png"
    assert (result.release.name, result.release.version) == ("demo", 3)


def test_an_empty_deck_is_no_fish() -> None:
    result = recognise(pictures.encoded(deck(), "PNG"), red_detector, red_classifier, release())

    assert result.label == "NoF"
    assert result.fish == ()
    assert "file" not in result.as_dict()["image"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_file_gets_the_answer_of_the_upright_picture(orientation: int) -> None:
    upright = deck((16, 20, 66, 36))
    stored = pictures.turned(upright, orientation)
    plain = recognise(pictures.encoded(upright, "PNG"), red_detector, red_classifier, release())
    data = pictures.encoded(stored, "PNG", exif=pictures.exif(orientation))
    other = recognise(data, red_detector, red_classifier, release())

    assert other.fish == plain.fish
    assert other.likelihoods == plain.likelihoods
    assert (other.image.width, other.image.height) == (128, 96)


def test_prepare_decodes_and_fits() -> None:
    data = pictures.encoded(deck(), "PNG")
    prepared = prepare(data, release())
    canvas, fit = letterbox(decode(data), 64)

    assert np.array_equal(prepared.image, decode(data))
    assert np.array_equal(prepared.canvas, canvas)
    assert prepared.letterbox == fit
    with pytest.raises(TooManyPixels):
        prepare(data, release(), max_pixels=100)
    with pytest.raises(BrokenImage):
        recognise(data[:-20], red_detector, red_classifier, release())


def heads_of(rows: list[tuple[float, float, float, float, float]]) -> np.ndarray:
    """Heads of boxes on the canvas with their scores, at the grid points of stride 8."""
    heads = np.zeros((ROWS, 5), np.float32)
    heads[:, 4] = -9
    for row, (x1, y1, x2, y2, score) in enumerate(rows):
        x, y = row % 8, row // 8
        size = math.log((x2 - x1) / 8), math.log((y2 - y1) / 8)
        centre = (x1 + x2) / 16 - x, (y1 + y2) / 16 - y
        heads[row] = (*centre, *size, math.log(score / (1 - score)))
    return heads


def test_candidates_are_clipped_filtered_and_ordered() -> None:
    prepared = prepare(pictures.encoded(deck(), "PNG"), release())  # scale 1/2
    heads = heads_of(
        [
            (5, 5, 15, 15, 0.5),
            (5, 5, 15, 16, 0.6),  # the same fish again, surer
            (30, 30, 40, 40, 0.9),
            (-10, -10, 10, 10, 0.7),  # reaches out of the picture
            (20, 20, 20.2, 40, 0.8),  # a sliver under one pixel
            (10, 50, 30, 60, 0.99),  # on the padding below the picture
            (50, 20, 60, 30, 0.1),  # under the threshold
        ]
    )

    boxes, scores = find_fish(heads, prepared, release())

    assert boxes.dtype == scores.dtype == np.float32
    assert np.allclose(scores, [0.9, 0.7, 0.6])
    assert np.allclose(boxes, [[60, 60, 80, 80], [0, 0, 20, 20], [10, 10, 30, 32]], atol=1e-3)
    again = find_fish(heads, (prepared.letterbox, 96, 128), release())
    assert np.array_equal(again[0], boxes)


def test_at_most_max_fish() -> None:
    prepared = prepare(pictures.encoded(deck(), "PNG"), release())
    heads = heads_of([(8 * n, 0, 8 * n + 7, 7, 0.3 + n / 20) for n in range(8)])

    assert np.allclose(find_fish(heads, prepared, release())[1], [0.65, 0.6, 0.55, 0.5])


def no_candidates() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)


@pytest.mark.parametrize(
    ("candidates", "when", "rows"),
    [(0, "no_fish", 1), (0, "always", 1), (2, "no_fish", 2), (2, "always", 3)],
)
def test_the_whole_pictures_row(candidates: int, when: str, rows: int) -> None:
    image = deck((16, 20, 66, 36))
    boxes = np.array([[16, 20, 66, 36], [90, 30, 108, 80]], np.float32)[:candidates]
    scores = np.array([0.9, 0.5], np.float32)[:candidates]

    crops, all_boxes, all_scores = make_crops(image, boxes, scores, release(whole_picture=when))

    assert crops.shape == (rows, 24, 24, 3)
    assert crops.dtype == np.uint8
    assert all_boxes.dtype == all_scores.dtype == np.float32
    assert np.array_equal(all_boxes[:candidates], boxes)
    for row in range(candidates):
        assert np.array_equal(crops[row], crop(image, boxes[row], 24, 1.3))
    if rows > candidates:
        assert all_boxes[-1].tolist() == [0, 0, 128, 96]
        assert all_scores[-1] == -1
        assert np.array_equal(crops[-1], whole(image, 24))


def fused(logits: list[list[float]], scores: list[float], given: Release) -> Fused:
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4)
    return fuse(np.array(logits, np.float32), boxes, np.array(scores, np.float32), given)


@pytest.mark.parametrize("method", ["noisy_or", "max", "mean"])
@pytest.mark.parametrize("when", ["no_fish", "always"])
def test_fused_likelihoods_are_distributions(method: str, when: str) -> None:
    chance = np.random.default_rng(3)
    given = release(method=method, whole_picture=when, sharpness=1.7)
    for candidates in (0, 1, 4):
        extra = candidates == 0 or when == "always"
        rows = candidates + extra
        scores = np.append(chance.random(candidates), [-1] * extra).astype(np.float32)
        boxes = chance.random((rows, 4)).astype(np.float32)
        answer = fuse(chance.normal(0, 3, (rows, 4)).astype(np.float32), boxes, scores, given)

        assert answer.likelihoods.sum() == pytest.approx(1, abs=1e-5)
        assert np.allclose(answer.fish_likelihoods.sum(axis=1), 1, atol=1e-5)
        assert len(answer.boxes) == len(answer.scores) == len(answer.fish_likelihoods)
        assert {
            array.dtype.name
            for array in (answer.likelihoods, answer.boxes, answer.scores, answer.fish_likelihoods)
        } == {"float32"}


def test_no_candidates_leave_empty_arrays_of_the_right_shape() -> None:
    crops, boxes, scores = make_crops(deck(), *no_candidates(), release())
    answer = fuse(red_classifier(crops), boxes, scores, release())

    assert answer.boxes.shape == (0, 4)
    assert answer.scores.shape == (0,)
    assert answer.fish_likelihoods.shape == (0, 4)
    assert answer.likelihoods.argmax() == 0


def test_the_veto_drops_and_reorders() -> None:
    fish, none = [0.0, 0, 6, 0], [6.0, 0, 0, 0]
    rows = [none, fish, fish]
    without = fused(rows, [0.9, 0.6, 0.7], release(veto=0.0))
    with_veto = fused(rows, [0.9, 0.6, 0.7], release(veto=0.5))

    assert np.allclose(without.scores, [0.9, 0.7, 0.6])
    assert without.boxes[:, 0].tolist() == [0, 8, 4]
    assert with_veto.boxes[:, 0].tolist() == [8, 4]
    assert (with_veto.scores < [0.7, 0.6]).all()


def test_the_temperature_softens() -> None:
    sharp = fused([[0, 0, 3, 0]], [0.9], release(veto=0.0))
    given = release(veto=0.0).as_dict()
    given["classifier"]["temperature"] = 3.0
    soft = fused([[0, 0, 3, 0]], [0.9], Release.from_dict(given))

    assert soft.fish_likelihoods[0, 2] < sharp.fish_likelihoods[0, 2]
    assert soft.likelihoods[2] < sharp.likelihoods[2]


def test_assemble() -> None:
    answer = fused([[0, 0, 6, 0]], [0.9], release())
    result = assemble(answer, (96, 128), release(), "a.jpg", "00")

    assert result.label == "SHARK"
    assert list(result.fish[0].box) == [0, 1, 2, 3]
    assert list(result.likelihoods) == ["NoF", "OTHER", "SHARK", "RAY"]
    assert result.image == ImageInfo("a.jpg", 128, 96, "00")
