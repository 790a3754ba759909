"""A data set on disk: one COCO JSON that also says where every picture comes from.

COCO's `images`, `annotations` and `categories`, and on every image what it does not have: `vessel`,
`camera`, `captured_at`, `source`, `licence`, `split`, `label` (a picture that has a class but no
boxes), `night`, and `group` (near duplicates, or a camera found by its background). Category names
are species codes. `file_name` is relative to `info.image_root`, itself relative to the JSON's
folder, which is the default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deckwatch_vision.errors import UsageError

# What an image carries beyond COCO, in the order in which it is written.
FACTS = (
    "vessel", "camera", "captured_at", "source", "licence", "split", "label", "night", "group",
)  # fmt: skip


# train: learnt from. calibrate: thresholds and temperatures are chosen on it. valid: measured on.
# test: kept for the last word.
SPLITS = ("train", "calibrate", "valid", "test")
# What a data set's JSON is called in a folder of its own.
FILE = "data.json"


@dataclass(frozen=True, slots=True)
class Box:
    """One animal: a species code and x, y, width, height in pixels of the upright picture."""

    label: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture and what is known of it; None is not known.

    file: relative to the catalogue's root, with forward slashes. captured_at: ISO 8601. split:
    "train", "valid" or "test". group: pictures that must stay on one side of every split.
    """

    file: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    label: str | None = None
    vessel: str | None = None
    camera: str | None = None
    captured_at: str | None = None
    source: str | None = None
    licence: str | None = None
    split: str | None = None
    night: bool | None = None
    group: str | None = None

    @property
    def unit(self) -> str:
        """What no split may divide: the vessel, else the camera, else the group, else the file."""
        return self.vessel or self.camera or self.group or self.file


@dataclass(frozen=True)
class Catalogue:
    """All pictures of a data set; `info`: COCO's own section (name, licence, attribution, url)."""

    root: Path
    entries: tuple[Entry, ...]
    info: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def path(self, entry: Entry) -> Path:
        """Where the picture of an entry is."""
        return self.root / entry.file

    def labels(self) -> tuple[str, ...]:
        """The codes that occur, alphabetical without regard to case."""
        found = {box.label for entry in self.entries for box in entry.boxes}
        found |= {entry.label for entry in self.entries if entry.label}
        return tuple(sorted(found, key=str.casefold))

    def having(self, entries: Iterable[Entry]) -> Catalogue:
        """The same data set with other entries."""
        return replace(self, entries=tuple(entries))


def read(path: Path) -> Catalogue:
    """Read a data set's JSON; of a folder, the `data.json` in it.

    Raises:
        UsageError: the file is missing, no JSON or no data set; the message names file and key.
    """
    path = path / FILE if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        info = dict(document.get("info") or {})
        names = {each["id"]: str(each["name"]) for each in document["categories"]}
        boxes: dict[Any, list[Box]] = {each["id"]: [] for each in document["images"]}
        for each in document["annotations"]:
            x, y, width, height = (float(v) for v in each["bbox"])
            boxes[each["image_id"]].append(Box(names[each["category_id"]], x, y, width, height))
        entries = tuple(
            Entry(
                str(each["file_name"]), int(each["width"]), int(each["height"]),
                tuple(boxes[each["id"]]), **{key: each.get(key) for key in FACTS},
            )
            for each in document["images"]
        )  # fmt: skip
    except FileNotFoundError:
        raise UsageError(
            f"No data set {path}. Make one with `deckwatch data import`, or correct the path "
            "(data.train, data.valid)."
        ) from None
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no COCO data set: {error!r}.") from None
    return Catalogue(path.parent / info.pop("image_root", "."), entries, info)


def write(catalogue: Catalogue, path: Path) -> None:
    """Write the JSON, moved into place whole; pictures stay where they are."""
    codes = {code: i + 1 for i, code in enumerate(catalogue.labels())}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for i, entry in enumerate(catalogue.entries, start=1):
        facts = {key: getattr(entry, key) for key in FACTS}
        images.append(
            {"id": i, "file_name": entry.file, "width": entry.width, "height": entry.height}
            | {key: value for key, value in facts.items() if value is not None}
        )
        for box in entry.boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": i, "category_id": codes[box.label],
                    "bbox": [box.x, box.y, box.width, box.height],
                    "area": box.width * box.height, "iscrowd": 0,
                }
            )  # fmt: skip
    folder = path.resolve().parent
    root = Path(os.path.relpath(catalogue.root.resolve(), folder)).as_posix()
    document = {
        "info": catalogue.info | {"image_root": root},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": code} for code, i in codes.items()],
    }
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
