"""Pascal VOC: one XML a picture, `Annotations/*.xml` beside `JPEGImages/`, or beside the pictures.

Format: VOC 2012 devkit. Corners are taken as edges in pixels, as today's labelling tools write
them. `ImageSets/Main/{train,val,test}.txt` say the split.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.folders import SPLIT_FOLDERS
from deckwatch_training.importers.source import (
    SUFFIXES,
    Found,
    Importer,
    Items,
    Problem,
    Source,
    corners,
)
from deckwatch_vision.errors import UsageError


def _annotations(path: Path) -> Path:
    inner = path / "Annotations"
    return inner if inner.is_dir() else path


def _recognises(path: Path) -> bool:
    return path.is_dir() and next(_annotations(path).rglob("*.xml"), None) is not None


def _read(source: Source) -> Items:
    folder = _annotations(source.path)
    splits = dict(_splits(source.path / "ImageSets" / "Main"))
    found = False
    for path in sorted(folder.rglob("*.xml")):
        found = True
        try:
            root = parse_xml(path.read_bytes())
        except (expat.ExpatError, ValueError) as error:
            yield Problem(str(path), f"no good XML: {error}", "Export it again.")
            continue
        yield from _picture(root, path, source, splits.get(path.stem))
    if not found:
        raise UsageError(f"{folder} holds no XML files. Name the folder above Annotations.")


def parse_xml(data: bytes) -> ET.Element:
    """The tree of an XML without a document type.

    An annotation needs none, and a few nested entities of a hostile file would fill the memory.

    Raises:
        ValueError: it has one.
        expat.ExpatError: it is no XML.
    """
    builder, parser = ET.TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type, which an annotation does not need")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(data, True)
    return builder.close()


def _picture(root: ET.Element, path: Path, source: Source, split: str | None) -> Items:
    name = (root.findtext("filename") or path.stem).strip()
    boxes: list[Box] = []
    for i, each in enumerate(root.iter("object"), start=1):
        try:
            label = (each.findtext("name") or "").strip()
            x1, y1, x2, y2 = (
                float(each.findtext(f"bndbox/{key}") or "")
                for key in ("xmin", "ymin", "xmax", "ymax")
            )
        except ValueError:
            label = ""
        if not label:
            yield Problem(str(path), f"object {i} has no name or no bndbox", "Correct the XML.")
            continue
        boxes.append(corners(label, x1, y1, x2, y2))
    width, height = (root.findtext(f"size/{key}") or "0" for key in ("width", "height"))
    size = (int(float(width)), int(float(height)))
    picture = _find(name, path, source)
    yield Found(picture, tuple(boxes), size if all(size) else None, where=str(path), split=split)


def _find(name: str, path: Path, source: Source) -> Path:
    """Where the picture lies: by its name, else by the XML's with any ending of a picture."""
    folders = [source.images] if source.images else _usual(path, source.path)
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
        for suffix in sorted(SUFFIXES):
            for ending in (suffix, suffix.upper()):
                if (folder / (path.stem + ending)).is_file():
                    return folder / (path.stem + ending)
    return folders[0] / name


def _usual(path: Path, root: Path) -> list[Path]:
    return [root / "JPEGImages", path.parent, root / "images", root]


def _splits(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.txt")):
        if split := SPLIT_FOLDERS.get(path.stem):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    yield line.split()[0], split


IMPORTER = Importer(
    "Pascal VOC XML files, with JPEGImages or beside the pictures", _recognises, _read
)
