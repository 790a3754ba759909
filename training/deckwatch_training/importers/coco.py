"""COCO object detection JSON, with or without what `catalogue` adds to its images.

Format: https://cocodataset.org/#format-data. A picture's `license` is looked up in `licenses`; a
list of one licence is everybody's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deckwatch_training.catalogue import FACTS, FILE, Box
from deckwatch_training.importers.source import (
    Found,
    Importer,
    Items,
    Problem,
    Source,
    peek_json,
    read_json,
)
from deckwatch_vision.errors import UsageError


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return (path / FILE).is_file()
    if path.suffix.lower() != ".json":
        return False
    # `images`, `annotations` and `categories` may come in any order and far into a big file.
    start = peek_json(path).lstrip()
    return start.startswith("{") and any(
        f'"{key}"' in start for key in ("images", "annotations", "categories", "licenses")
    )


def _read(source: Source) -> Items:
    path = source.path / FILE if source.path.is_dir() else source.path
    document = read_json(path)
    try:
        names = {each["id"]: str(each["name"]) for each in document["categories"]}
        images = list(document["images"])
        rows: dict[Any, list[dict[str, Any]]] = {each["id"]: [] for each in images}
        strays: list[dict[str, Any]] = []
        for each in document["annotations"]:
            rows.get(each["image_id"], strays).append(each)
        root = path.parent / str((document.get("info") or {}).get("image_root", "."))
        licences = _licences(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no COCO data set: {error!r}. It needs images, annotations and categories."
        ) from None
    for each in strays:
        yield Problem(
            str(each.get("image_id")),
            f"annotation {each.get('id')} belongs to no image of {path.name}",
            "Add the image to the JSON, or drop the annotation.",
        )
    for image in images:
        where = f"{path}, image {image.get('id')!r}"
        yield from _picture(image, rows[image["id"]], names, licences, source, root, where)


def _licences(document: dict[str, Any]) -> dict[Any, str]:
    given = [each for each in document.get("licenses") or [] if each.get("name")]
    found: dict[Any, str] = {each.get("id"): str(each["name"]) for each in given}
    if len(given) == 1:
        found[None] = str(given[0]["name"])
    return found


def _picture(
    image: dict[str, Any], rows: list[dict[str, Any]], names: dict[Any, str],
    licences: dict[Any, str], source: Source, root: Path, where: str,
) -> Items:  # fmt: skip
    boxes = []
    try:
        name = str(image["file_name"])
        size = (int(image["width"]), int(image["height"])) if image.get("width") else None
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error!r}. An image has file_name, width, height.") from None
    for row in rows:
        try:
            x, y, width, height = (float(value) for value in row["bbox"])
            boxes.append(Box(names[row["category_id"]], x, y, width, height))
        except (KeyError, TypeError, ValueError) as error:
            yield Problem(
                name,
                f"annotation {row.get('id')} has no good bbox or category_id ({error!r})",
                "Correct the annotation.",
            )
    facts: dict[str, Any] = {key: image[key] for key in FACTS if image.get(key) is not None}
    licence = licences.get(image.get("license"), licences.get(None))
    if licence and "licence" not in facts:
        facts["licence"] = licence
    if image.get("date_captured") and "captured_at" not in facts:
        facts["captured_at"] = str(image["date_captured"])
    for key, value in facts.items():
        if key != "night":
            facts[key] = str(value)
    yield Found(source.picture(name, root), tuple(boxes), size, where=where, **facts)


IMPORTER = Importer(
    "COCO JSON, also a data set of Deckwatch with its vessels, cameras and splits",
    _recognises,
    _read,
)
