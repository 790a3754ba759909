"""Label Studio's export, "JSON" or "JSON-MIN": rectangles, ellipses and polygons with a label.

Format: https://labelstud.io/guide/export. Coordinates are percent of the picture; a rectangle is
turned about its top left corner, in pixels and not in percent. Of several annotations of a task
the last one counts, a ground truth before all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from deckwatch_training.catalogue import Box
from deckwatch_training.importers import outlines
from deckwatch_training.importers.collected import Collected, label_of
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

SHAPES = ("rectanglelabels", "ellipselabels", "polygonlabels")
_TEXTS = ("vessel", "camera", "captured_at")


def _recognises(path: Path) -> bool:
    start = peek_json(path).lstrip()
    if not start.startswith("["):
        return False
    keys = ('"annotations"', '"predictions"', '"completed_by"', '"annotator"', '"annotation_id"')
    return any(each in start for each in keys)


def _read(source: Source) -> Items:
    tasks = read_json(source.path)
    if not isinstance(tasks, list):
        raise UsageError(
            f"{source.path} is no export of Label Studio: expected a list of tasks. Export the "
            "project as JSON or JSON-MIN."
        )
    collected = Collected(source)
    for place, task in enumerate(tasks, start=1):
        number = task.get("id", place) if isinstance(task, dict) else place
        where = f"{source.path}, task {number}"
        try:
            yield from _task(task, collected, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield Problem(
                where, f"not as Label Studio writes tasks ({type(error).__name__}: {error})",
                "Export the project again as JSON.",
            )  # fmt: skip


def _task(task: Mapping[str, Any], collected: Collected, where: str) -> Items:
    data = task.get("data", task)  # JSON-MIN has no `data`
    path = collected.path(_name(data))
    name = path.name
    if "data" in task:
        annotations = [each for each in task.get("annotations") or [] if _counts(each)]
        if not annotations:
            skipped = "was skipped" if task.get("annotations") else "has no labels yet"
            yield Problem(name, f"the task {skipped}", "Label it, and export again.")
            return
        if len(annotations) > 1:
            what = f"{len(annotations)} annotations; the last one counts"
            yield Problem(name, what, "Delete the others where that is wrong.", lost=False)
        regions: list[Mapping[str, Any]] = max(annotations, key=_rank)["result"]
    else:
        regions = list(_flat(data))
    boxes = []
    for region in regions:
        found = _box(region, name)
        if isinstance(found, Problem):
            yield found
            if found.lost:
                return
        elif found is not None:
            boxes.append(found)
    facts = collected.facts(path)
    facts |= {key: str(data[key]) for key in _TEXTS if data.get(key)}
    if isinstance(data.get("night"), bool):
        facts["night"] = data["night"]
    sizes = [_size(region) for region in regions if "original_width" in region]
    yield Found(
        path, tuple(boxes), sizes[0] if sizes else None, where=where,
        **(facts | label_of(tuple(boxes))),
    )  # fmt: skip


def _counts(annotation: Mapping[str, Any]) -> bool:
    return not annotation.get("was_cancelled")


def _rank(annotation: Mapping[str, Any]) -> tuple[bool, str, int]:
    when = annotation.get("updated_at") or annotation.get("created_at") or ""
    return bool(annotation.get("ground_truth")), str(when), int(annotation.get("id") or 0)


def _name(data: Mapping[str, Any]) -> str:
    """The picture's name: ours where `data collect` made the task, else what its URL ends with."""
    if data.get("file"):
        return str(data["file"])
    url = next(
        (str(data[key]) for key in ("image", "img", "picture", "url") if data.get(key)), None
    )
    if url is None:
        raise KeyError("image")
    parts = urlsplit(url)
    local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/picture.jpg
    return (local[0] if local else unquote(parts.path)).lstrip("/")


def _flat(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """JSON-MIN's regions, which have no `value` of their own, as those of JSON."""
    for regions in data.values():
        if not isinstance(regions, list):
            continue
        for each in regions:
            if isinstance(each, dict) and any(shape in each for shape in SHAPES):
                kind = next(shape for shape in SHAPES if shape in each)
                yield {**each, "type": kind, "value": each}


def _size(region: Mapping[str, Any]) -> tuple[int, int]:
    return int(region["original_width"]), int(region["original_height"])


def _box(region: Mapping[str, Any], name: str) -> Box | Problem | None:
    kind = region.get("type")
    if kind not in SHAPES:
        if kind in ("rectangle", "ellipse", "polygon", "brushlabels", "brush", "keypointlabels"):
            what = f"a shape of the kind {kind} without a label, or that is no outline; left out"
            return Problem(name, what, "Draw a labelled rectangle.", lost=False)
        return None  # choices, texts and relations are no boxes
    if region.get("image_rotation"):
        return Problem(
            name, f"labelled while turned by {region['image_rotation']} degrees in the editor",
            "Turn it back there, mend the boxes, and export again.",
        )  # fmt: skip
    value = region["value"]
    labels = value.get(kind) or []
    if len(labels) != 1:
        what = f"a shape has {len(labels)} labels ({', '.join(map(str, labels))}); left out"
        return Problem(name, what, "Give it exactly one.", lost=False)
    width, height = _size(region)
    across, down = width / 100, height / 100
    if kind == "polygonlabels":
        points = [(float(x) * across, float(y) * down) for x, y in value["points"]]
        return outlines.around(str(labels[0]), points)
    x, y, angle = float(value["x"]) * across, float(value["y"]) * down, value.get("rotation") or 0
    if kind == "ellipselabels":
        radii = float(value["radiusX"]) * across, float(value["radiusY"]) * down
        return outlines.ellipse(str(labels[0]), (x, y), *radii, float(angle))
    sides = float(value["width"]) * across, float(value["height"]) * down
    return outlines.rectangle(str(labels[0]), x, y, *sides, float(angle), pivot=(x, y))


IMPORTER = Importer("Label Studio's export, JSON or JSON-MIN", _recognises, _read)
