"""Label files: CSV with one row a picture, or one row a fish where it has a box.

Columns `image,label` and optionally `vessel,x,y,width,height`; a new label and weights file adds
`weight,source_image,steps`. Read and written row by row, so that size costs no memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deckwatch_training.catalogue import Entry
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NO_FISH

BOX = ("x", "y", "width", "height")
# What the new label and weights file is called beside a data set's JSON.
LABELS_AND_WEIGHTS = "labels_and_weights.csv"
COLUMNS = ("image", "label", "vessel", *BOX, "weight", "source_image", "steps")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row. box: x, y, width, height in pixels of the upright picture.

    image: relative to the folder of pictures, with forward slashes; steps: names of the
    augmentation steps that made it, in order.
    """

    image: str
    label: str
    vessel: str | None = None
    box: tuple[float, float, float, float] | None = None
    weight: float = 1.0
    source_image: str | None = None
    steps: tuple[str, ...] = ()


def read_rows(path: Path) -> Iterator[LabelRow]:
    """The rows of a label file, in order.

    Raises:
        UsageError: the file is missing, lacks a column or has a bad row; the message names file and
            line, what was given and what was expected.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = {"image", "label"} - set(reader.fieldnames or ())
            if missing:
                raise UsageError(
                    f"{path} has no column {' and no column '.join(sorted(missing))}. Give a CSV "
                    "file whose first line is image,label and optionally "
                    "vessel,x,y,width,height,weight."
                )
            for row in reader:
                yield _row(row, f"{path}, line {reader.line_num}")
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}. Give a label file.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no CSV in UTF-8: {error}.") from None


def _row(row: dict[str, str | None], where: str) -> LabelRow:
    image, label = (row["image"] or "").strip(), (row["label"] or "").strip()
    if not image or not label:
        raise UsageError(f"{where}: image {image!r}, label {label!r}: give both.")
    given = [(row.get(name) or "").strip() for name in BOX]
    try:
        numbers = tuple(float(text) for text in given) if any(given) else None
        weight = float(row.get("weight") or 1.0)
    except ValueError as error:
        raise UsageError(
            f"{where}: {error}. A box is x, y, width and height in pixels, a weight is a number."
        ) from None
    if numbers and not (numbers[2] > 0 and numbers[3] > 0):
        raise UsageError(f"{where}: a box of {numbers[2]:g} x {numbers[3]:g}: both must be over 0.")
    return LabelRow(
        image,
        label,
        (row.get("vessel") or "").strip() or None,
        numbers,  # type: ignore[arg-type]
        weight,
        row.get("source_image") or None,
        tuple((row.get("steps") or "").split()),
    )


def rows_of(entry: Entry) -> Iterator[LabelRow]:
    """The rows of a data set's picture: one a box, or one with its label; NoF where it has none."""
    for box in entry.boxes:
        place = (box.x, box.y, box.width, box.height)
        yield LabelRow(entry.file, box.label, entry.vessel, place)
    if not entry.boxes:
        yield LabelRow(entry.file, entry.label or NO_FISH, entry.vessel)


class LabelWriter:
    """Writes rows one by one; a context manager. With `weights`, the three columns of the brief."""

    def __init__(self, path: Path, *, weights: bool):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("w", newline="", encoding="utf-8")
        self._weights = weights
        self._csv = csv.writer(self._file, lineterminator="\n")
        self._csv.writerow(COLUMNS if weights else COLUMNS[:-3])

    def write(self, row: LabelRow) -> None:
        """Add a row."""
        box = [f"{v:.2f}".rstrip("0").rstrip(".") for v in row.box] if row.box else [""] * 4
        cells = [row.image, row.label, row.vessel or "", *box]
        if self._weights:
            cells += [f"{row.weight:.6g}", row.source_image or "", " ".join(row.steps)]
        self._csv.writerow(cells)

    def __enter__(self) -> LabelWriter:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Move the file into place, unless something went wrong."""
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)


def write_rows(path: Path, rows: Iterable[LabelRow], *, weights: bool) -> None:
    """Write a whole label file, moved into place when complete."""
    with LabelWriter(path, weights=weights) as writer:
        for row in rows:
            writer.write(row)
