from __future__ import annotations

import json
from pathlib import Path

import pytest

from deckwatch_training.dataset import hold_back, read_coco
from deckwatch_vision.errors import UsageError


def test_boxes_are_corners_and_names_are_categories(data: tuple[Path, Path]) -> None:
    document = json.loads(data[0].read_text())
    read = read_coco(data[0])
    assert len(read) == 16
    assert sum(read.counts().values()) == len(document["annotations"])
    first = next(a for a in document["annotations"] if a["image_id"] == 0)
    x, y, w, h = first["bbox"]
    assert read.pictures[0].boxes[0].tolist() == [x, y, x + w, y + h]
    assert read.pictures[0].pixels().shape == (72, 96, 3)


def test_boxes_that_leave_the_frame_are_clipped_and_slivers_dropped(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    rows = [[-5, 10, 30, 20], [90, 60, 50, 50], [10, 10, 0.5, 9], [200, 200, 10, 10]]
    path.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 96, "height": 72}],
                "categories": [{"id": 1, "name": "bar"}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": bbox} for bbox in rows],
            }
        )
    )
    read = read_coco(path)
    assert read.pictures[0].boxes.tolist() == [[0, 10, 25, 30], [90, 60, 96, 72]]
    assert len(read.problems) == 2
    assert all(problem.startswith("a.jpg: a bar box") for problem in read.problems)


def test_a_vessel_is_never_split(data: tuple[Path, Path]) -> None:
    read = read_coco(data[0])
    for seed in range(5):
        train, held = hold_back(read, 0.3, seed)
        assert len(train) + len(held) == len(read)
        assert 0 < len(held) <= 0.4 * len(read)
        assert not {p.group for p in train.pictures} & {p.group for p in held.pictures}
    again = hold_back(read, 0.3, 4)[1]
    assert [p.path for p in again.pictures] == [p.path for p in held.pictures]


def test_neighbouring_file_numbers_are_one_group_where_no_vessel_is_given(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    names = ["IMG_0001.jpg", "IMG_0002.jpg", "IMG_0004.jpg", "IMG_0050.jpg"]
    images = [{"id": i, "file_name": n, "width": 9, "height": 9} for i, n in enumerate(names)]
    path.write_text(json.dumps({"images": images, "categories": [], "annotations": []}))
    groups = [picture.group for picture in read_coco(path).pictures]
    assert groups == ["IMG_0001"] * 3 + ["IMG_0050"]


@pytest.mark.parametrize("content", ["{", "[]", '{"images": []}'])
def test_a_file_that_is_no_coco_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"bad\.json is no COCO"):
        read_coco(path)
    with pytest.raises(UsageError, match=r"No data set .*missing\.json"):
        read_coco(tmp_path / "missing.json")
