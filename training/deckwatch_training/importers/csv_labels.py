"""CSV label files: `image,label` with optional vessel and box, also those of `augment_data`.

Pictures are looked for below --images, else beside the file. Columns of other facts (camera,
captured_at, ...) are read by giving the same file as --facts.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.source import Found, Importer, Items, Source, columns
from deckwatch_training.label_files import LabelRow, read_rows


def _recognises(path: Path) -> bool:
    return {"image", "label"} <= set(columns(path))


def _read(source: Source) -> Items:
    # Rows of a picture need not stand together, so they are gathered first: a few hundred bytes
    # a row, and no pixels.
    rows: dict[str, list[LabelRow]] = {}
    for row in read_rows(source.path):
        rows.setdefault(row.image.replace("\\", "/"), []).append(row)
    for image, of_image in rows.items():
        path = source.picture(image, source.path.parent)
        yield Found(path, _boxes(of_image), where=f"{source.path}: {image}", **_facts(of_image))


def _boxes(rows: list[LabelRow]) -> tuple[Box, ...]:
    return tuple(Box(row.label, *row.box) for row in rows if row.box)


def _facts(rows: list[LabelRow]) -> dict[str, Any]:
    """Label only where no row has a box; an augmented picture stays with what it was made from."""
    first = rows[0]
    plain = [row.label for row in rows if not row.box]
    facts: dict[str, Any] = {"vessel": first.vessel}
    if plain and len(plain) == len(rows):
        # Several classes and no boxes: the one named most often, the first of those alike.
        facts["label"] = Counter(plain).most_common(1)[0][0]
    if first.source_image:
        facts["group"] = first.source_image
    return facts


IMPORTER = Importer(
    "CSV label file: image,label[,vessel,x,y,width,height,weight,...]", _recognises, _read
)
