"""Conflicts between a model and people as a CSV and as a page to look at."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import picture_files
from deckwatch_serving.pages import Page
from deckwatch_training.catalogue import Box, Catalogue
from deckwatch_training.conflicts import KINDS, Conflict
from deckwatch_vision.boxes import draw
from deckwatch_vision.errors import ImageError

SHOWN, SIDE = 60, 300
CONTEXT = 2.5  # times the longer side of the box: enough to see what else the fish may be
HEAD = (
    "rank", "image", "kind", "certainty", "model", "model_likelihood", "people",
    "people_likelihood", "x", "y", "width", "height", "vessel", "camera", "captured_at", "split",
)  # fmt: skip
_MEANING = {
    "species": "both see the fish and name it differently",
    "extra": "the model sees a fish that people did not draw",
    "missed": "people drew a fish that the model did not find",
    "picture": "the class of a picture without boxes",
}


def table(conflicts: Sequence[Conflict]) -> bytes:
    """The CSV, in the order given; the box is the people's where there is one."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(HEAD)
    for place, each in enumerate(conflicts, start=1):
        box = each.people_box or each.model_box
        entry = each.entry
        writer.writerow(
            (place, entry.file, each.kind, f"{each.certainty:.4f}", each.model,
             f"{each.likelihood:.4f}", each.people, f"{each.people_likelihood:.4f}",
             *(f"{v:.1f}" for v in ((box.x, box.y, box.width, box.height) if box else ())),
             *([""] * (0 if box else 4)), entry.vessel or "", entry.camera or "",
             entry.captured_at or "", entry.split or "")
        )  # fmt: skip
    return held.getvalue().encode()


def page(conflicts: Sequence[Conflict], data: Catalogue, compared: int, release: str) -> Page:
    """Counts, and the first conflicts as pictures with both boxes."""
    found = Page(
        "Where the model and people disagree",
        f"{len(conflicts)} conflicts in {compared} pictures; answers of {release}",
    )
    found.text(
        "The most certain answers first. Look who is right: a wrong label is mended in the data "
        "set, a wrong answer is a picture to train on."
    )
    kinds = Counter(each.kind for each in conflicts)
    found.table(
        ("kind", "conflicts", "what it is"),
        [(kind, kinds[kind], _MEANING[kind]) for kind in KINDS if kinds[kind]],
    )
    pairs = Counter((each.model, each.people) for each in conflicts if each.kind == "species")
    if pairs:
        found.table(
            ("model says", "people say", "fish"),
            [(model, people, number) for (model, people), number in pairs.most_common()],
            "Species confused",
        )
    found.heading("For a second look")
    shown = []
    for place, each in enumerate(conflicts[:SHOWN], start=1):
        try:
            pixels = picture_files.load(data.path(each.entry))
        except ImageError:  # the command lists pictures that cannot be read
            continue
        shown.append((_view(each, pixels), f"{place}. {sentence(each)} ({each.entry.file[-40:]})"))
    found.pictures(shown)
    return found


def sentence(conflict: Conflict) -> str:
    """What the conflict is, in words."""
    model, sure = conflict.model, f"{conflict.likelihood:.2f}"
    if conflict.kind == "extra":
        return f"model: {model} {sure}, people: nothing here"
    if conflict.kind == "missed":
        return f"model: nothing here, people: {conflict.people}"
    return f"model: {model} {sure}, people: {conflict.people} {conflict.people_likelihood:.2f}"


def _view(conflict: Conflict, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The surroundings of the boxes, at most SIDE pixels wide or high, with both outlined."""
    boxes = [box for box in (conflict.model_box, conflict.people_box) if box is not None]
    left, top, right, bottom = _window(boxes, pixels.shape[1], pixels.shape[0])
    part = pixels[top:bottom, left:right]
    scale = SIDE / max(part.shape[:2])
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    corners = np.array(
        [(b.x - left, b.y - top, b.x + b.width - left, b.y + b.height - top) for b in boxes],
        np.float32,
    ).reshape(-1, 4)
    names = [f"model {b.label}" if b is conflict.model_box else f"people {b.label}" for b in boxes]
    return draw(small, corners * np.float32(scale), names)


def _window(boxes: Sequence[Box], width: int, height: int) -> tuple[int, int, int, int]:
    if not boxes:
        return 0, 0, width, height
    x1, y1 = min(box.x for box in boxes), min(box.y for box in boxes)
    x2 = max(box.x + box.width for box in boxes)
    y2 = max(box.y + box.height for box in boxes)
    half = max(x2 - x1, y2 - y1) * CONTEXT / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return (
        max(0, int(x - half)), max(0, int(y - half)),
        min(width, int(np.ceil(x + half))), min(height, int(np.ceil(y + half))),
    )  # fmt: skip
