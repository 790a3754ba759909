"""YOLO text: one `.txt` a picture with `class cx cy width height` in shares of its sides.

Layouts: a data.yaml (names, and folders or lists of train, val, test), or folders `images` and
`labels`, or text beside the pictures. Longer rows are outlines (segments, rotated boxes): the box
round them counts; a sixth number is a confidence. A picture without text shows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.folders import SPLIT_FOLDERS
from deckwatch_training.importers.source import (
    Found,
    Importer,
    Items,
    Problem,
    Source,
    corners,
    pictures_below,
)
from deckwatch_vision.errors import UsageError

_YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
_NAMES = ("classes.txt", "obj.names", "labels/classes.txt")


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return _yaml(path) is not None or any((path / name).is_file() for name in _NAMES)
    return path.name in _YAMLS


def _yaml(path: Path) -> Path | None:
    if path.is_file():
        return path
    return next((path / name for name in _YAMLS if (path / name).is_file()), None)


def _read(source: Source) -> Items:
    settings = _yaml(source.path)
    document = _settings(settings) if settings else {}
    names = _names(source, document.get("names"), settings)
    root = source.path if source.path.is_dir() else source.path.parent
    for split, path in _pictures(source, document, root):
        boxes: list[Box] = []
        text = _text_of(path)
        if text.is_file():
            for item in _rows(text, names):
                if isinstance(item, Problem):
                    yield item
                else:
                    boxes.append(item)
        yield Found(path, tuple(boxes), relative=True, split=split, where=str(text))


def _settings(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} is no YAML: {error}. Correct it.") from None
    return document if isinstance(document, dict) else {}


def _names(source: Source, given: object, settings: Path | None) -> dict[int, str]:
    """Class numbers to names, from --classes, else data.yaml, else the usual files."""
    root = source.path if source.path.is_dir() else source.path.parent
    file = source.classes or next((root / n for n in _NAMES if (root / n).is_file()), None)
    if source.classes is None:
        if isinstance(given, dict):
            return {int(key): str(value) for key, value in given.items()}
        if isinstance(given, list):
            return {i: str(value) for i, value in enumerate(given)}
    if file is None:
        raise UsageError(
            f"{settings or root} names no classes. Give --classes with a file of one name a line."
        )
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}. Correct --classes.") from None
    return {i: line.strip() for i, line in enumerate(lines) if line.strip()}


def _pictures(
    source: Source, document: dict[str, Any], root: Path
) -> Iterator[tuple[str | None, Path]]:
    base = root / str(document.get("path", "."))
    base = base if base.is_dir() else root  # a path of the machine where it was made
    found = False
    for key, split in SPLIT_FOLDERS.items():
        given = document.get(key)
        for each in given if isinstance(given, list) else [given] if given else []:
            for path in _listed(base, str(each)):
                found = True
                yield split, path
    if found:
        return
    folder = source.images or (root / "images" if (root / "images").is_dir() else root)
    for path in pictures_below(folder):
        above = (part.lower() for part in path.relative_to(folder).parts[:-1])
        yield next((SPLIT_FOLDERS[part] for part in above if part in SPLIT_FOLDERS), None), path


def _listed(base: Path, given: str) -> Iterator[Path]:
    """Pictures of a folder, or those that a text file lists."""
    place = base / given
    if not place.exists() and given.startswith("../"):
        place = base / given.removeprefix("../")  # as some exports write it
    if place.is_file():
        for line in place.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield base / line.strip()
    elif place.is_dir():
        yield from pictures_below(place)
    else:
        raise UsageError(f"data.yaml names {given}, but {place} is not there. Correct it.")


def _text_of(path: Path) -> Path:
    """The labels of a picture: `images` becomes `labels` where it last stands in the path."""
    parts = list(path.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            parts[i] = "labels"
            mirrored = Path(*parts).with_suffix(".txt")
            if mirrored.is_file():
                return mirrored
            break
    return path.with_suffix(".txt")


def _rows(path: Path, names: dict[int, str]) -> Iterator[Box | Problem]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.split()
        if not cells:
            continue
        try:
            kind, values = int(float(cells[0])), [float(cell) for cell in cells[1:]]
            label = names[kind]
        except (ValueError, KeyError):
            yield Problem(
                f"{path}, line {number}",
                f"class {cells[0]!r} of {line.strip()!r} is none of 0 to {max(names, default=0)}",
                "Correct the line or the class names.",
            )
            continue
        if len(values) in (4, 5):
            x, y, width, height = values[:4]
            yield Box(label, x - width / 2, y - height / 2, width, height)
        elif len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[0::2], values[1::2]
            yield corners(label, min(xs), min(ys), max(xs), max(ys))
        else:
            yield Problem(
                f"{path}, line {number}",
                f"{len(values)} numbers after the class",
                "Write class cx cy width height.",
            )


IMPORTER = Importer("YOLO text files, with data.yaml or --classes", _recognises, _read)
