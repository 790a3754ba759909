"""Splitting a data set on disk: duplicates, cameras that nobody noted, and the division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deckwatch_training import cameras, data_store, duplicates, facts, looks, split
from deckwatch_training import catalogue as catalogues
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.duplicates import Duplicates
from deckwatch_training.split import Divided
from deckwatch_vision.errors import ImageError, UsageError

CAMERAS, PAGE = "cameras.csv", "cameras.html"
BY = ("vessel", "group", "picture")


@dataclass(frozen=True)
class Done:
    """What became of a data set: the division, its duplicates, how many cameras were found."""

    divided: Divided
    duplicates: Duplicates
    cameras: int
    unreadable: int


def run(
    source: Path,
    out: Path,
    shares: Mapping[str, float],
    *,
    by: str = "vessel",
    seed: int = 0,
    keep: bool = False,
    find_cameras: bool = True,
    corrected: Path | None = None,
    workers: int = 0,
) -> Done:
    """Read a data set, divide it and write it to the folder `out`.

    Args:
        source: the data set.
        out: a folder of its own for the divided one; `cameras.csv` and `cameras.html` as well,
            where cameras had to be guessed.
        shares: see `split.divide`.
        by: "vessel": vessels, cameras, groups and duplicates stay together. "group": the last two.
            "picture": duplicates alone, for data without vessels that is known to be harmless.
        seed: see `split.divide`.
        keep: pictures that have a split stay as they are.
        find_cameras: cluster pictures without vessel and camera by their background.
        corrected: a corrected `cameras.csv`, instead of clustering.
        workers: processes; 0 takes one a core.

    Raises:
        UsageError: `out` is taken, or a name or share is wrong.
    """
    if by not in BY:
        raise UsageError(f"--by {by}: give one of {', '.join(BY)}.")
    data_store.check_free(out, add=False)
    data = catalogues.read(source)
    if not len(data):
        raise UsageError(f"{source} holds no pictures. Import some first.")
    seen = looks.survey_catalogue(data, source, workers=workers)
    guessed: dict[int, str] = {}
    if corrected:
        data = _with_cameras(data, corrected)
    elif find_cameras and by == "vessel":
        guessed, data = _guess(data, seen, keep)
    twins = duplicates.find(seen)
    divided = split.divide(_only(data, by), shares, seed=seed, keep=keep, near=twins.near)
    # The division saw only what it was to respect; the facts themselves stay.
    entries = [
        replace(kept, split=new.split, group=kept.group or new.group)
        for kept, new in zip(data.entries, divided.catalogue.entries, strict=True)
    ]
    divided = replace(divided, catalogue=data.having(entries))
    data_store.write(divided.catalogue, out, seen)
    if guessed:
        cameras.write_csv(out / CAMERAS, data, guessed)
        cameras.write_page(out / PAGE, data, guessed, CAMERAS)
    broken = sum(isinstance(each, ImageError) for each in seen)
    return Done(divided, twins, len(set(guessed.values())), broken)


def _only(data: Catalogue, by: str) -> Catalogue:
    """The data set without the facts that are not to be respected."""
    if by == "vessel":
        return data
    return data.having(
        replace(entry, vessel=None, camera=None, group=entry.group if by == "group" else None)
        for entry in data.entries
    )


def _guess(
    data: Catalogue, seen: list[looks.Look | ImageError], keep: bool
) -> tuple[dict[int, str], Catalogue]:
    """Cameras of pictures that have neither vessel nor camera; kept ones stay as they are."""
    which = [
        i
        for i, entry in enumerate(data.entries)
        if not (entry.vessel or entry.camera or (keep and entry.split))
    ]
    found = cameras.find(seen, which)
    taken = {entry.camera for entry in data.entries}
    entries = [
        replace(entry, camera=found[i]) if i in found else entry
        for i, entry in enumerate(data.entries)
    ]
    if taken & set(found.values()):
        raise UsageError(
            "The data set has cameras named as guessed ones are (camera-01 ...). Correct their "
            "names with `data import --facts`, or give --no-find-cameras."
        )
    return found, data.having(entries)


def _with_cameras(data: Catalogue, path: Path) -> Catalogue:
    """The data set with the cameras of a corrected file.

    Raises:
        UsageError: the file has no camera, or names no picture of the data set.
    """
    read = facts.read(path)
    entries = []
    for entry in data.entries:
        camera = read.of(Path(entry.file)).get("camera")
        entries.append(replace(entry, camera=camera) if camera else entry)
    if len(read.unused) and all(a is b for a, b in zip(entries, data.entries, strict=True)):
        raise UsageError(
            f"{path} names no picture of the data set; the first it has is {read.unused[0]}. Its "
            "images are as in data.json."
        )
    return data.having(entries)
