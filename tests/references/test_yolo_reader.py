"""globox, a reader of many annotation formats, finds our fish in the YOLO text files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from globox import AnnotationSet  # type: ignore[import-untyped]

from deckwatch_client.records import Record
from deckwatch_vision.images import encode_jpeg
from tests.client.formats.some_records import one_fish, plain_result, write_run

SIZE = (320, 200)


def test_boxes_labels_and_scores_are_read(tmp_path: Path) -> None:
    fish = {
        "a": [one_fish("YFT", box=(10, 20, 110.5, 80.25), score=0.875),
              one_fish("SHARK", box=(0, 0, 320, 200), score=0.5)],
        "b": [],
        "c": [one_fish("ALB", box=(300.12, 150, 319.99, 199.5), score=0.123456)],
    }  # fmt: skip
    images = tmp_path / "images"
    images.mkdir()
    records = []
    for name, found in fish.items():
        blank = encode_jpeg(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
        (images / f"{name}.jpg").write_bytes(blank)
        records.append(Record(f"{name}.jpg", plain_result(f"{name}.jpg", *found, size=SIZE)))
    out = write_run(["yolo"], records, tmp_path) / "yolo"
    # Numbers as labels, the score last: what Ultralytics writes.
    read = AnnotationSet.from_yolo_v5(out / "labels", image_folder=images)
    names = (out / "names.txt").read_text().split()
    assert set(read.image_ids) == {f"{name}.jpg" for name in fish}
    for name, expected in fish.items():
        boxes = read[f"{name}.jpg"].boxes
        assert len(boxes) == len(expected)
        for box, one in zip(boxes, expected, strict=True):
            assert names[int(box.label)] == one.label
            assert box.confidence == pytest.approx(one.score, abs=1e-8)
            assert box.ltrb == pytest.approx(one.box, abs=0.005)
