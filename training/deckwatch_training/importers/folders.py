"""A folder for each class: `root/<class>/picture.jpg`."""

from __future__ import annotations

from pathlib import Path

from deckwatch_training.importers.source import Found, Importer, Items, Source, pictures_below
from deckwatch_vision.errors import UsageError

# Folders of these names, as other tools write them, say which split a picture is of.
SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "valid", "valid": "valid", "validation": "valid",
    "test": "test", "calibrate": "calibrate",
}  # fmt: skip


def _recognises(path: Path) -> bool:
    if not path.is_dir():
        return False
    return any(each.is_dir() and next(_pictures(each), None) for each in sorted(path.iterdir()))


def _pictures(folder: Path) -> Items:
    return (Found(path) for path in pictures_below(folder))


def _read(source: Source) -> Items:
    root = source.images or source.path
    found = False
    for path in pictures_below(root):
        above = path.relative_to(root).parts[:-1]
        # The class is the folder that holds the picture; a split may be any folder above it.
        split = next(
            (SPLIT_FOLDERS[p.lower()] for p in above[:-1] if p.lower() in SPLIT_FOLDERS), None
        )
        if above:
            found = True
            yield Found(path, label=above[-1], split=split, where=str(path))
    if not found:
        raise UsageError(f"{root} has no folders of pictures. Give root/<class>/picture.jpg.")


IMPORTER = Importer("a folder of pictures for each class", _recognises, _read)
