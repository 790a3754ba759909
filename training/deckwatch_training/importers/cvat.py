"""CVAT's export "CVAT for images 1.1": the XML, the ZIP that holds it, or the folder unpacked.

Format: https://docs.cvat.ai/docs/dataset_management/formats/xml_format/. Corners in pixels; boxes
and ellipses may be turned about their centre. Of a picture without shapes a tag is its label.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

from deckwatch_training.catalogue import Box
from deckwatch_training.importers import outlines
from deckwatch_training.importers.collected import Collected, label_of
from deckwatch_training.importers.source import Found, Importer, Items, Problem, Source, corners
from deckwatch_vision.errors import UsageError

FILE = "annotations.xml"
_CURE = "Export the task as `CVAT for images 1.1`."


def _recognises(path: Path) -> bool:
    if path.is_dir():
        path = path / FILE
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return FILE in archive.namelist()
    if path.suffix.lower() != ".xml" or not path.is_file():
        return False
    with path.open("rb") as file:
        return b"<annotations>" in file.read(1024)


def _content(path: Path) -> bytes:
    """The XML.

    Raises:
        UsageError: there is none.
    """
    path = path / FILE if path.is_dir() else path
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read(FILE)
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}. Correct the path.") from None
    except (zipfile.BadZipFile, KeyError):
        raise UsageError(f"{path} is no ZIP with {FILE}. {_CURE}") from None


def _read(source: Source) -> Items:
    try:
        root = ET.fromstring(_content(source.path))
    except ET.ParseError as error:
        raise UsageError(f"{source.path} is no XML: {error}. {_CURE}") from None
    if root.tag != "annotations" or root.find("track") is not None:
        raise UsageError(f"{source.path} has no pictures with shapes, or is of a video. {_CURE}")
    collected = Collected(source)
    for image in root.iter("image"):
        yield from _picture(image, collected, source.path)


def _picture(image: ET.Element, collected: Collected, file: Path) -> Items:
    name = image.get("name", "")
    where = f"{file}, image {image.get('id')} {name}"
    boxes: list[Box] = []
    labels: list[str] = []
    try:
        size = int(image.attrib["width"]), int(image.attrib["height"])
        for shape in image:
            if shape.tag == "tag":
                labels.append(shape.attrib["label"])
                continue
            box = _box(shape)
            if box is None:
                what = f"a {shape.tag} of {shape.get('label')} is no outline of a fish; left out"
                yield Problem(name, what, "Draw a rectangle.", lost=False)
            else:
                boxes.append(box)
    except (KeyError, ValueError) as error:
        what = f"not as CVAT writes pictures ({type(error).__name__}: {error})"
        yield Problem(name or where, what, _CURE)
        return
    path = collected.path(name)
    facts = collected.facts(path) | label_of(tuple(boxes))
    if labels and not boxes:
        facts["label"] = labels[0]
    yield Found(path, tuple(boxes), size, where=where, **facts)


def _box(shape: ET.Element) -> Box | None:
    """The box round a shape; None where it is no outline."""
    given = shape.attrib
    label = given.get("label", "")
    angle = float(given.get("rotation", 0))
    if shape.tag == "box":
        x1, y1, x2, y2 = (float(given[edge]) for edge in ("xtl", "ytl", "xbr", "ybr"))
        box = corners(label, x1, y1, x2, y2)
        centre = (x1 + x2) / 2, (y1 + y2) / 2
        return outlines.rectangle(label, box.x, box.y, box.width, box.height, angle, centre)
    if shape.tag == "ellipse":
        x, y, across, down = (float(given[key]) for key in ("cx", "cy", "rx", "ry"))
        return outlines.ellipse(label, (x, y), across, down, angle)
    if shape.tag == "polygon":
        points = [pair.split(",") for pair in given["points"].split(";")]
        return outlines.around(label, [(float(x), float(y)) for x, y in points])
    if shape.tag == "mask":
        left, top, width, height = (float(given[key]) for key in ("left", "top", "width", "height"))
        return Box(label, left, top, width, height)
    return None


IMPORTER = Importer("CVAT's export, `CVAT for images 1.1`", _recognises, _read)
