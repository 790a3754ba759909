"""COCO's average precision, by species and by the size of the fish."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
# COCO's limits between small, medium and large: the area of a square of so many pixels a side.
SMALL, MEDIUM = 32.0, 96.0
SIZES = ("small", "medium", "large")
ANY = "fish"


@dataclass(frozen=True)
class Sheet:
    """One picture: true boxes [N, 4] and their species; boxes found [K, 4], scores, species."""

    width: int
    height: int
    truth: Boxes
    names: Sequence[str]
    boxes: Boxes
    scores: NDArray[np.float32]
    labels: Sequence[str]


def size_of(area: float) -> str:
    """COCO's word for a box of so many square pixels."""
    return SIZES[int(area >= SMALL**2) + int(area >= MEDIUM**2)]


def as_coco(
    sheets: Sequence[Sheet], names: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The truth and the results in COCO's own format; `names` are its categories."""
    number = {name: i + 1 for i, name in enumerate(names)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, sheet in enumerate(sheets, start=1):
        images.append({"id": i, "width": sheet.width, "height": sheet.height})
        for box, name in zip(sheet.truth, sheet.names, strict=True):
            bbox = _xywh(box)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": i, "category_id": number[name],
                 "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}
            )  # fmt: skip
        for box, score, name in zip(sheet.boxes, sheet.scores, sheet.labels, strict=True):
            results.append(
                {"image_id": i, "category_id": number[name], "bbox": _xywh(box),
                 "score": float(score)}
            )  # fmt: skip
    categories = [{"id": i, "name": name} for name, i in number.items()]
    truth = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    return truth, results


def _xywh(box: Boxes) -> list[float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def precision_table(sheets: Sequence[Sheet], names: Sequence[str]) -> NDArray[np.float64]:
    """Precision [10 IoUs, 101 recalls, species, 4 sizes]; NaN where there is no such fish.

    COCO's protocol: IoU 0.5 to 0.95, at most 100 boxes a picture and species; sizes: all, small,
    medium, large, where boxes of another size count neither for nor against.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    truth, results = as_coco(sheets, names)
    shape = (10, 101, len(names), 1 + len(SIZES))
    if not truth["annotations"]:
        return np.full(shape, np.nan)
    there = {row["category_id"] for row in truth["annotations"]}
    if not results:
        table = np.full(shape, np.nan)
        table[:, :, [i for i in range(len(names)) if i + 1 in there]] = 0.0
        return table
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        run = COCOeval_faster(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
    precision = np.array(run.eval["precision"], np.float64)[..., -1]
    return np.where(precision < 0, np.nan, precision)


def mean_of(table: NDArray[np.float64]) -> float:
    """The mean over what is known; NaN where nothing is."""
    known = table[~np.isnan(table)]
    return float(known.mean()) if known.size else float("nan")
