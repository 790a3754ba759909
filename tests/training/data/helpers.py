"""Pictures and commands for the tests of data sets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner, Result

from deckwatch_training.cli_data import data as app
from deckwatch_vision.images import encode_jpeg


def paint(seed: int, width: int = 96, height: int = 72) -> np.ndarray:
    """A picture that looks like no other: a few coloured shapes on a slope of light."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[:] = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None]
    for _ in range(8):
        colour = tuple(int(v) for v in rng.integers(0, 255, 3))
        at = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(canvas, at, int(rng.integers(8, 30)), colour, -1)
    return canvas


def save(path: Path, seed: int = 0, width: int = 96, height: int = 72, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(paint(seed, width, height), quality))
    return path


def with_orientation(path: Path, orientation: int) -> Path:
    """The same file with an EXIF orientation, as a turned camera writes it."""
    import piexif

    piexif.insert(piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}}), str(path))
    return path


def coco(path: Path, images: list[dict], boxes: list[tuple[int, str, list[float]]]) -> Path:
    """A COCO file: images get their place as id; boxes are (image, name, bbox)."""
    names = sorted({name for _, name, _ in boxes})
    document = {
        "images": [{"id": i, **image} for i, image in enumerate(images)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": names.index(name), "bbox": bbox}
            for n, (i, name, bbox) in enumerate(boxes)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def deckwatch_data(*words: object, code: int = 0) -> Result:
    """Run `deckwatch data ...`; what went wrong unexpectedly is raised."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
