"""Boxes and windows: letterbox, overlap, non-maximum suppression, crops, overlays.

Boxes are float32 [N,4], x1 y1 x2 y2 in pixels, edges not centres: a box around the whole picture
is 0 0 W H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PADDING = 114
"""Grey that fills what lies outside the picture; the value the YOLO family is trained with."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled by `scale` into the top left corner of a square canvas of `size` pixels."""

    scale: float
    size: int

    @classmethod
    def fitting(cls, height: int, width: int, size: int) -> Letterbox:
        """The letterbox of a picture of this height and width on a canvas of `size` pixels."""
        return cls(min(size / height, size / width), size)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture on the canvas, each at least one pixel."""
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))

    def to_image(self, boxes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
        """Canvas boxes [N,4] in pixels of the picture, clipped to it."""
        limits = np.array([width, height, width, height], np.float32)
        found = np.clip(boxes / np.float32(self.scale), np.float32(0), limits)
        return np.asarray(found, np.float32)

    def to_canvas(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Picture boxes [N,4] in pixels of the canvas."""
        return (boxes * np.float32(self.scale)).astype(np.float32)


def letterbox(image: NDArray[np.uint8], size: int) -> tuple[NDArray[np.uint8], Letterbox]:
    """Fit a picture [H,W,3] into the top left of a canvas [size,size,3]; the rest is PADDING.

    Top left rather than centred (as in YOLOX), so that boxes map back by one division.
    """
    height, width = image.shape[:2]
    fit = Letterbox.fitting(height, width, size)
    new_height, new_width = fit.resized(height, width)
    canvas = np.full((size, size, 3), PADDING, np.uint8)
    canvas[:new_height, :new_width] = _resize(image, new_height, new_width)
    return canvas, fit


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every box of `a` [N,4] with every box of `b` [M,4]: [N,M].

    Boxes without area overlap nothing, themselves included.
    """
    a, b = a[:, None, :], b[None, :, :]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = _area(a) + _area(b) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    iou_threshold: float,
    max_boxes: int,
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: indices of the boxes kept, best score first.

    A box goes when it overlaps a better one by more than `iou_threshold`. Of equal scores the
    earlier row wins.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    # One row of overlaps for each box kept: at most max_boxes passes, never an N x N matrix.
    while waiting.size and len(kept) < max_boxes:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        overlaps = iou(boxes[best : best + 1], boxes[waiting])[0]
        waiting = waiting[overlaps <= iou_threshold]
    return np.array(kept, np.int64)


def crop(
    image: NDArray[np.uint8],
    box: Sequence[float] | NDArray[np.float32],
    size: int,
    context: float,
) -> NDArray[np.uint8]:
    """A square window [size,size,3] centred on a box.

    Its side is the box's longer side times `context` (1.0 is tight), at least 2 pixels; what lies
    outside the picture is PADDING. Only the part inside the picture is resized, so the cost does
    not grow with a window that reaches far outside.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(edge) for edge in box)
    side = max(2, round(max(x2 - x1, y2 - y1) * context))
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    rows = _inside(top, side, height, size)
    columns = _inside(left, side, width, size)
    window = np.full((size, size, 3), PADDING, np.uint8)
    if rows is not None and columns is not None:
        (source_y, target_y), (source_x, target_x) = rows, columns
        window[target_y, target_x] = _resize(
            image[source_y, source_x],
            target_y.stop - target_y.start,
            target_x.stop - target_x.start,
        )
    return window


def whole(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The whole picture letterboxed to [size,size,3]: the classifier's row for the picture."""
    return letterbox(image, size)[0]


def draw(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    captions: Sequence[str],
) -> NDArray[np.uint8]:
    """A copy of the picture with an outline and a caption for every box.

    Captions are drawn with OpenCV's own strokes, which know ASCII only.
    """
    drawn = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    scale = max(0.4, thickness / 3)
    for box, caption in zip(boxes, captions, strict=True):
        x1, y1, x2, y2 = (round(float(edge)) for edge in box)
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _OUTLINE, thickness)
        (text_width, text_height), below = cv2.getTextSize(caption, _FONT, scale, thickness)
        base = max(y1, text_height + below)  # a box at the upper edge carries its caption inside
        start = max(0, min(x1, image.shape[1] - text_width))
        cv2.rectangle(
            drawn, (start, base - text_height - below), (start + text_width, base), _OUTLINE, -1
        )
        cv2.putText(
            drawn, caption, (start, base - below // 2), _FONT, scale, _INK, thickness, cv2.LINE_AA
        )
    return drawn


_OUTLINE = (255, 200, 0)
_INK = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(
        np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0)
    )


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    # INTER_AREA averages, so does not alias when shrinking; growing, it would show as blocks.
    shrinking = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _inside(start: int, side: int, length: int, size: int) -> tuple[slice, slice] | None:
    """Along one axis: the window's pixels inside the picture, and where they go in the output."""
    first, last = max(start, 0), min(start + side, length)
    if first >= last:
        return None
    target = round((first - start) * size / side)
    end = round((last - start) * size / side)
    target = min(target, size - 1)
    return slice(first, last), slice(target, max(end, target + 1))
