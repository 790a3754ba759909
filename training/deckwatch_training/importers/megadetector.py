"""MegaDetector's batch results: boxes of animals, people and vehicles in shares of the picture.

Formats: https://lila.science/megadetector-output-format (an object with `images` and
`detection_categories`), and the plain list that newer versions write (corners in pixels). A species
from a classifier takes the place of "animal".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.source import (
    Found,
    Importer,
    Items,
    Problem,
    Source,
    corners,
    peek_json,
    read_json,
)
from deckwatch_vision.errors import UsageError


def _recognises(path: Path) -> bool:
    start = peek_json(path)
    return '"detections"' in start or '"detection_categories"' in start


def _read(source: Source) -> Items:
    document = read_json(source.path)
    plain = isinstance(document, list)
    try:
        images = document if plain else document["images"]
        kinds = {} if plain else dict(document.get("detection_categories") or {})
        species = {} if plain else dict(document.get("classification_categories") or {})
        for row, image in enumerate(images, start=1):
            where = f"{source.path}, image {row}"
            file = str(image["file"])
            if image.get("failure"):
                yield Problem(file, f"MegaDetector failed: {image['failure']}", "Run it again.")
                continue
            if "frame_rate" in image or "frames_processed" in image:
                yield Problem(file, "a video", "Extract its frames and run MegaDetector on them.")
                continue
            sure = [
                each
                for each in image.get("detections") or []
                if float(each["confidence" if plain else "conf"]) >= source.confidence
            ]
            boxes = tuple(_box(each, kinds, species, plain) for each in sure)
            path = source.picture(file, source.path.parent)
            yield Found(path, boxes, relative=not plain, where=where)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{source.path} is no result of MegaDetector: {error!r}. Give its batch JSON."
        ) from None


def _box(each: dict[str, Any], kinds: dict[str, str], species: dict[str, str], plain: bool) -> Box:
    label = str(kinds.get(str(each["category"]), each["category"]))
    if each.get("classifications"):
        best = str(each["classifications"][0][0])
        label = str(species.get(best, best))
    a, b, c, d = (float(value) for value in each["bbox"])
    return corners(label, a, b, c, d) if plain else Box(label, a, b, c, d)


IMPORTER = Importer(
    "MegaDetector's JSON: animals, people and vehicles (--confidence)", _recognises, _read
)
