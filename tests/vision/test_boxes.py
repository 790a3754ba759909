"""Letterbox, overlap, suppression and crops, against plain references and on random boxes."""

from __future__ import annotations

import numpy as np
import pytest

from deckwatch_vision.boxes import PADDING, Letterbox, crop, draw, iou, letterbox, nms, whole
from tests.vision.pictures import scene

CHANCE = np.random.default_rng(5)


def random_boxes(count: int, height: float = 100, width: float = 100) -> np.ndarray:
    corner = CHANCE.uniform(0, 0.8, (count, 2)) * (width, height)
    side = CHANCE.uniform(0.02, 0.5, (count, 2)) * (width, height)
    return np.concatenate((corner, corner + side), axis=1).astype(np.float32)


def plain_iou(a: np.ndarray, b: np.ndarray) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def plain_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, most: int) -> list[int]:
    kept: list[int] = []
    for place in sorted(range(len(boxes)), key=lambda place: (-scores[place], place)):
        if all(plain_iou(boxes[place], boxes[other]) <= threshold for other in kept):
            kept.append(place)
    return kept[:most]


@pytest.mark.parametrize("size", [64, 640])
@pytest.mark.parametrize(
    ("height", "width"),
    [(720, 1280), (1280, 720), (640, 640), (16, 16), (48, 2000), (1, 1), (7, 3)],
)
def test_boxes_return_from_the_canvas(height: int, width: int, size: int) -> None:
    _, fit = letterbox(scene(height, width), size)
    boxes = np.clip(random_boxes(200, height, width), 0, (width, height, width, height))
    boxes = boxes.astype(np.float32)

    back = fit.to_image(fit.to_canvas(boxes), height, width)

    assert back.dtype == np.float32
    assert np.abs(back - boxes).max() < 0.5


@pytest.mark.parametrize(
    ("height", "width"), [(720, 1280), (1280, 720), (30, 20), (9, 9), (5, 4000)]
)
def test_the_letterbox_is_top_left_on_grey(height: int, width: int) -> None:
    canvas, fit = letterbox(np.full((height, width, 3), 200, np.uint8), 96)
    rows, columns = fit.resized(height, width)

    assert canvas.shape == (96, 96, 3)
    assert canvas.dtype == np.uint8
    assert max(rows, columns) == 96
    assert (canvas[:rows, :columns] == 200).all()
    assert (canvas[rows:] == PADDING).all()
    assert (canvas[:, columns:] == PADDING).all()
    assert fit == Letterbox.fitting(height, width, 96)


def test_the_letterbox_keeps_the_picture_in_place() -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    image[50:150, 100:300] = 255
    canvas, fit = letterbox(image, 128)
    x1, y1, x2, y2 = fit.to_canvas(np.array([[100, 50, 300, 150]], np.float32))[0]
    ys, xs = np.nonzero(canvas[:64, :, 0] > 127)

    assert (
        np.abs(np.array([xs.min() - x1, ys.min() - y1, xs.max() + 1 - x2, ys.max() + 1 - y2])).max()
        < 1
    )


def test_shrinking_averages() -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 200

    assert np.abs(letterbox(stripes, 100)[0].astype(int) - 100).max() <= 1
    assert np.abs(crop(stripes, (0, 0, 400, 400), 100, 1.0).astype(int) - 100).max() <= 1


def test_boxes_are_clipped_to_the_picture() -> None:
    boxes = np.array([[-30, -5, 900, 700], [np.nan, 0, 5, 5]], np.float32)
    back = Letterbox(0.5, 640).to_image(boxes, 100, 200)

    assert back[0].tolist() == [0, 0, 200, 100]
    assert np.isnan(back[1, 0])


def test_iou_against_the_plain_one() -> None:
    a, b = random_boxes(40), random_boxes(30)
    b[:5] = a[:5]
    expected = [[plain_iou(one, other) for other in b] for one in a]

    assert np.abs(iou(a, b) - np.array(expected)).max() < 1e-5
    assert np.allclose(np.diag(iou(a, a)), 1)


def test_iou_of_boxes_without_area() -> None:
    point = np.array([[3, 3, 3, 3], [5, 5, 1, 1]], np.float32)

    assert (iou(point, point) == 0).all()
    assert iou(point[:0], point).shape == (0, 2)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("most", [1, 8, 1000])
def test_nms_against_the_plain_one(threshold: float, most: int) -> None:
    for count in (0, 1, 2, 50, 120):
        boxes = random_boxes(count)
        scores = np.round(CHANCE.random(count), 1).astype(np.float32)  # many equal scores

        kept = nms(boxes, scores, threshold, most)

        assert kept.dtype == np.int64
        assert kept.tolist() == plain_nms(boxes, scores, threshold, most)


def test_nms_of_equal_boxes_keeps_the_first() -> None:
    boxes = np.repeat(random_boxes(1), 5, axis=0)

    assert nms(boxes, np.full(5, 0.5, np.float32), 0.5, 10).tolist() == [0]


def test_a_crop_within_the_picture_is_that_window() -> None:
    image = scene(100, 120)

    assert np.array_equal(crop(image, (40, 30, 60, 50), 20, 1.0), image[30:50, 40:60])
    assert np.array_equal(crop(image, (40, 30, 60, 50), 30, 1.5), image[25:55, 35:65])
    # The longer side decides, and the window stays centred on the box.
    assert np.array_equal(crop(image, (40, 38, 60, 42), 20, 1.0), image[30:50, 40:60])


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((-10, 30, 10, 50), slice(0, 20), slice(10, 20)),
        ((110, 30, 130, 50), slice(0, 20), slice(0, 10)),
        ((40, -10, 60, 10), slice(10, 20), slice(0, 20)),
        ((40, 90, 60, 110), slice(0, 10), slice(0, 20)),
        ((-10, -10, 10, 10), slice(10, 20), slice(10, 20)),
        ((110, 90, 130, 110), slice(0, 10), slice(0, 10)),
    ],
)
def test_a_crop_at_the_border_is_padded(
    box: tuple[float, ...], rows: slice, columns: slice
) -> None:
    window = crop(np.full((100, 120, 3), 7, np.uint8), box, 20, 1.0)
    inside = np.zeros((20, 20), bool)
    inside[rows, columns] = True

    assert (window[inside] == 7).all()
    assert (window[~inside] == PADDING).all()


def test_a_padded_crop_equals_the_crop_of_a_padded_picture() -> None:
    image = CHANCE.integers(0, 256, (90, 70, 3), np.uint8)
    framed = np.pad(image, ((200, 200), (200, 200), (0, 0)), constant_values=PADDING)
    for box in random_boxes(60, 90, 70) + np.array([-20, -20, 20, 20], np.float32):
        ours = crop(image, box, 32, 1.4).astype(int)
        plain = crop(framed, box + 200, 32, 1.4).astype(int)
        # Only the row of pixels where picture and padding meet may be mixed otherwise.
        assert (np.abs(ours - plain) > 40).mean() < 0.1


@pytest.mark.parametrize(
    "box",
    [
        (500, 500, 600, 600),
        (-900, 0, -800, 50),
        (-1e9, -1e9, 1e9, 1e9),
        (5, 5, 5, 5),
        (69, 89, 70, 90),
    ],
)
def test_a_crop_of_any_box_has_its_size(box: tuple[float, ...]) -> None:
    assert crop(scene(90, 70), box, 24, 1.3).shape == (24, 24, 3)


def test_a_crop_outside_the_picture_is_padding() -> None:
    assert (crop(scene(90, 70), (500, 500, 600, 600), 24, 1.0) == PADDING).all()


def test_the_whole_picture() -> None:
    image = scene(90, 70)

    assert np.array_equal(whole(image, 48), letterbox(image, 48)[0])


def test_overlay_leaves_the_picture_and_draws_the_boxes() -> None:
    image = np.full((120, 160, 3), 30, np.uint8)
    boxes = np.array([[40, 50, 100, 100], [-5, -5, 300, 300]], np.float32)
    drawn = draw(image, boxes, ["SHARK 0.93", "RAY 0.41"])

    assert (image == 30).all()
    assert drawn.shape == image.shape
    assert (drawn[75, 40] != 30).any()
    assert (drawn[75, 70] == 30).all()
    assert np.array_equal(draw(image, boxes[:0], []), image)
    with pytest.raises(ValueError, match="shorter"):
        draw(image, boxes, ["one caption"])
