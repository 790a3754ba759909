"""Fishnet.ai's open images of electronic monitoring (Kay and Merrifield 2021, arXiv:2106.09178).

`foid_labels_*.csv`: img_id, label_l1, label_l2, x_min, x_max, y_min, y_max in pixels, and in the
first release train, val, test as True or False. Pictures are `images/<img_id>.jpg`. Level 1 names
34 classes, level 2 groups them.
"""

from __future__ import annotations

from pathlib import Path

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.source import (
    Found,
    Importer,
    Items,
    Problem,
    Source,
    columns,
    corners,
    read_table,
)

_EDGES = ("x_min", "y_min", "x_max", "y_max")
_SPLITS = (("test", "test"), ("val", "valid"), ("train", "train"))


def _recognises(path: Path) -> bool:
    return {"img_id", "label_l1", *_EDGES} <= set(columns(path))


def _read(source: Source) -> Items:
    beside = source.path.parent / "images"
    folder = beside if beside.is_dir() else source.path.parent
    boxes: dict[str, list[Box]] = {}
    labels: dict[str, str] = {}
    splits: dict[str, str | None] = {}
    for row, where in read_table(source.path):
        name, label = row.get("img_id", ""), row.get(f"label_l{source.level}", "")
        if not name or not label:
            yield Problem(where, "no img_id or no label", "Correct the row.")
            continue
        boxes.setdefault(name, [])
        splits[name] = next((ours for key, ours in _SPLITS if row.get(key, "") == "True"), None)
        given = [row.get(key, "") for key in _EDGES]
        if not any(given):
            labels[name] = label
            continue
        try:
            x1, y1, x2, y2 = (float(each) for each in given)
        except ValueError as error:
            yield Problem(where, f"a bad box: {error}", "Correct the row.")
            continue
        if x1 == x2 and y1 == y2:
            labels[name] = label  # a point stands for "nothing to draw a box round"
        else:
            boxes[name].append(corners(label, x1, y1, x2, y2))
    for name, of_picture in boxes.items():
        file = name if Path(name).suffix else f"{name}.jpg"
        yield Found(
            source.picture(file, folder),
            tuple(of_picture),
            label=None if of_picture else labels.get(name),
            split=splits[name],
            where=f"{source.path}: {name}",
        )


IMPORTER = Importer("Fishnet.ai's foid_labels CSV, pictures in images/", _recognises, _read)
