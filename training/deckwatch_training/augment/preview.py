"""A contact sheet: pictures before and after, with their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import picture_files
from deckwatch_serving.pages import Page
from deckwatch_training.augment.copies import Item, Maker
from deckwatch_training.label_files import LabelRow
from deckwatch_vision.boxes import draw
from deckwatch_vision.errors import ImageError

# Pixels of the longer side; a page of twenty pictures stays within a few megabytes.
SIDE = 420


def write(
    maker: Maker, pictures: Sequence[tuple[str, tuple[LabelRow, ...]]], copies: int, path: Path
) -> None:
    """Write the page. The copies on it are those that the run makes, pixel for pixel."""
    page = Page(
        "Augmentation: before and after",
        f"Seed {maker.seed}; {len(pictures)} pictures, each followed by its copies. The captions "
        "name the steps in the order in which they were applied.",
    )
    for image, rows in pictures:
        page.heading(image)
        try:
            pixels = picture_files.load(maker.source / image)
        except ImageError as error:
            page.text(error.message)
            continue
        shown = [(_drawn(pixels, [row.box for row in rows], rows), "before")]
        item = Item(image, rows, (), "")
        for number in range(1, copies + 1):
            made, copy = maker.make(pixels, item, number, "")
            if made is None:
                page.text(f"No copy {number}: {copy.reason}.")
                continue
            kept = [rows[i] for i in copy.boxes]
            caption = ", ".join(copy.steps)
            shown.append((_drawn(made, list(copy.boxes.values()), kept), caption))
        page.pictures(shown)
    page.write(path)


def _drawn(
    pixels: NDArray[np.uint8],
    boxes: Sequence[tuple[float, float, float, float] | None],
    rows: Sequence[LabelRow],
) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    placed = [(box, row.label) for box, row in zip(boxes, rows, strict=True) if box]
    edges = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in placed], np.float32)
    return draw(small, edges.reshape(-1, 4) * np.float32(scale), [label for _, label in placed])
