"""The competition "The Nature Conservancy Fisheries Monitoring": class folders and box JSONs.

Pictures lie in `train/<CLASS>/img_*.jpg`. Boxes are the well-known community annotations, one
`<class>_labels.json` a class, in pixels of the original frame; their file names come with or
without folders. The class of a box is its JSON's. A picture without boxes keeps its folder's class.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from deckwatch_training.catalogue import Box
from deckwatch_training.importers.source import (
    Found,
    Importer,
    Items,
    Problem,
    Source,
    pictures_below,
    read_json,
)
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NCFM

_BY_NAME = {code.upper(): code for code in NCFM.codes}
_ENDING = "_labels.json"


def _recognises(path: Path) -> bool:
    if not path.is_dir():
        return False
    names = {each.name for each in _root(path).iterdir() if each.is_dir()}
    return len(names & set(NCFM.codes)) >= 3  # OTHER and SHARK alone are no proof


def _root(path: Path) -> Path:
    """The folder that holds the class folders."""
    inner = path / "train"
    return inner if inner.is_dir() else path


def _read(source: Source) -> Items:
    root = source.images or _root(source.path)
    boxes, listed = _boxes(source)
    seen: set[str] = set()
    for path in pictures_below(root):
        folder = path.relative_to(root).parts[0].upper()
        if folder not in _BY_NAME:
            continue  # the competition's test pictures have no class
        code = _BY_NAME[folder]
        of_picture = tuple(boxes.get(path.name, ()))
        seen.add(path.name)
        told = {box.label for box in of_picture}
        if told and code not in told:
            yield Problem(
                str(path),
                f"its folder says {code}, its boxes say {', '.join(sorted(told))}",
                "The boxes count. Move the picture or correct the JSON, whichever is wrong.",
                lost=False,
            )
        yield Found(path, of_picture, label=None if of_picture else code, where=str(path))
    for name, code in listed.items():
        if name not in seen:
            # Not there: `importing` says so, with the place where it was expected.
            yield Found(root / code / name, tuple(boxes.get(name, ())), label=code, where=name)


def _boxes(source: Source) -> tuple[dict[str, list[Box]], dict[str, str]]:
    """Boxes of each picture by its bare name, and the class of every picture that is listed."""
    boxes: dict[str, list[Box]] = {}
    listed: dict[str, str] = {}
    for path in _box_files(source):
        code = _BY_NAME.get(path.name[: -len(_ENDING)].upper())
        if code is None:
            raise UsageError(
                f"{path}: no class {path.name[: -len(_ENDING)]!r}. Its name must be one of "
                f"{', '.join(each.lower() for each in NCFM.codes)}, followed by {_ENDING}."
            )
        document = read_json(path)
        for row, each in enumerate(document if isinstance(document, list) else [None], start=1):
            try:
                name = PurePosixPath(str(each["filename"]).replace("\\", "/")).name
                found = [_box(code, given) for given in each.get("annotations") or []]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise UsageError(
                    f"{path}, entry {row}: {error!r}. Expected a list of filename and annotations "
                    "with x, y, width, height."
                ) from None
            listed.setdefault(name, code)
            if found:
                boxes.setdefault(name, []).extend(found)
    return boxes, listed


def _box(code: str, given: dict[str, Any]) -> Box:
    x, y, width, height = (float(given[key]) for key in ("x", "y", "width", "height"))
    return Box(code, x, y, width, height)


def _box_files(source: Source) -> list[Path]:
    if source.boxes:
        found = sorted(source.boxes.glob(f"*{_ENDING}"))
        if not found:
            raise UsageError(f"{source.boxes} holds no *{_ENDING}. Correct --boxes.")
        return found
    places = (source.path, source.path / "boxes", _root(source.path).parent / "boxes")
    return sorted({file for place in places for file in place.glob(f"*{_ENDING}")})


IMPORTER = Importer(
    "the NCFM competition's train/<CLASS> folders, with its box JSONs (--boxes)", _recognises, _read
)
