"""The page that shows which pictures are to be labelled and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_serving import picture_files
from deckwatch_serving.pages import Page
from deckwatch_training.collect import count
from deckwatch_training.importers.collected import PICTURES
from deckwatch_training.tasks.task import Task
from deckwatch_vision.boxes import draw
from deckwatch_vision.errors import ImageError

SHOWN, WIDTH = 48, 320
_COLUMNS = {"reason": "reason to keep", "answer": "the model says", "vessel": "vessel or camera",
            "time": "time of day"}  # fmt: skip


def page(tasks: Sequence[Task], folder: Path) -> Page:
    """The first pictures with the model's boxes, and how many there are of what."""
    releases = ", ".join(sorted({task.release for task in tasks}))
    found = Page(
        "Pictures to label", f"{len(tasks)} pictures, answered by {releases or 'no release'}"
    )
    counts = count([task.kept for task in tasks])
    for kind, title in _COLUMNS.items():
        rows = [(name, number) for each, name, number in counts if each == kind]
        found.table((title, "pictures"), rows)
    found.heading("The most interesting")
    shown = []
    for task in tasks[:SHOWN]:
        try:
            shown.append((_drawn(task, folder), f"{task.rank}. {task.why}"))
        except ImageError:  # it was answered once; what is wrong now is not for this page
            continue
    found.pictures(shown)
    return found


def _drawn(task: Task, folder: Path) -> NDArray[np.uint8]:
    pixels = picture_files.load(folder / PICTURES / task.file)
    scale = WIDTH / pixels.shape[1]
    size = (WIDTH, max(1, round(pixels.shape[0] * scale)))
    small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    fish = task.kept.result.fish
    boxes = np.array([each.box for each in fish], np.float32).reshape(-1, 4) * np.float32(scale)
    return draw(small, boxes, [f"{each.label} {each.likelihoods[each.label]:.2f}" for each in fish])
