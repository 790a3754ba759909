"""Other people's formats, one module each, in one table.

A new format is a module with an `Importer` and one line in `IMPORTERS`. Importers know nothing of
label maps, sizes or files that are missing: `importing` does that for all of them.
"""

from __future__ import annotations

from pathlib import Path

from deckwatch_training.importers import (
    coco,
    csv_labels,
    cvat,
    fishnet,
    folders,
    label_studio,
    megadetector,
    ncfm,
    voc,
    yolo,
)
from deckwatch_training.importers.source import Importer
from deckwatch_vision.errors import UsageError

# In this order `auto` asks them; the most particular come first.
IMPORTERS: dict[str, Importer] = {
    "ncfm": ncfm.IMPORTER,
    "label_studio": label_studio.IMPORTER,
    "cvat": cvat.IMPORTER,
    "megadetector": megadetector.IMPORTER,
    "coco": coco.IMPORTER,
    "fishnet": fishnet.IMPORTER,
    "csv": csv_labels.IMPORTER,
    "yolo": yolo.IMPORTER,
    "voc": voc.IMPORTER,
    "folders": folders.IMPORTER,
}


def find(name: str, path: Path) -> tuple[str, Importer]:
    """The importer of that name, or with "auto" the one that recognises the path.

    Raises:
        UsageError: there is no such format, nothing lies at the path, or nobody recognises it.
    """
    if not path.exists():
        raise UsageError(f"There is nothing at {path}. Give a file or folder to import.")
    if name != "auto":
        if name not in IMPORTERS:
            raise UsageError(f"No format {name!r}. Use auto or one of {', '.join(IMPORTERS)}.")
        return name, IMPORTERS[name]
    for each, importer in IMPORTERS.items():
        if importer.recognises(path):
            return each, importer
    raise UsageError(
        f"{path} looks like none of {', '.join(IMPORTERS)}. Name one of them with --format."
    )
