"""A data set's folder: data.json, what the pictures look like, what was wrong with them."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deckwatch_serving.progress import track
from deckwatch_training import catalogue as catalogues
from deckwatch_training import importing, looks
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.importing import PROBLEMS, Imported
from deckwatch_training.looks import Look
from deckwatch_vision.errors import ImageError, UsageError

# Where `copy` puts pictures.
PICTURES = "pictures"


def check_free(folder: Path, *, add: bool) -> None:
    """Before anything is decoded: whether a data set may be written there.

    Raises:
        UsageError: there is one, and it is not said that it may grow; or a file lies there.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file. Give a folder for the data set with --out.")
    if (folder / catalogues.FILE).exists() and not add:
        raise UsageError(
            f"{folder} holds a data set already. Give --add to add to it, or another --out."
        )


def save(
    imported: Imported,
    folder: Path,
    *,
    add: bool = False,
    replacing: bool = False,
    copy: bool = False,
) -> Catalogue:
    """Write a data set, or add to the one that is there; returns the whole of it.

    copy: pictures are copied below the folder; else they are referenced where they lie. replacing:
    pictures that were there before get their new labels.

    Raises:
        UsageError: as `check_free`; or a picture is there already and it is not said what to do.
    """
    check_free(folder, add=add)
    new = _copied(imported.catalogue, folder) if copy else imported.catalogue
    there = (folder / catalogues.FILE).exists()
    whole = new
    noted: list[Look] = []
    problems = imported.problems
    if there:
        whole = importing.merge(catalogues.read(folder), new, replacing=replacing)
        noted = list(looks.read(folder).values())
        before = importing.read_problems(folder / PROBLEMS)
        problems = before + [each for each in problems if each not in before]
    write(whole, folder, [*noted, *imported.looks])
    importing.write_problems(folder / PROBLEMS, problems)
    return whole


def write(data: Catalogue, folder: Path, noted: Sequence[Look | ImageError]) -> None:
    """Write data.json and looks.jsonl; the JSON last, because it says that the folder is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    looks.write(folder, noted)
    catalogues.write(data, folder / catalogues.FILE)


def _copied(data: Catalogue, folder: Path) -> Catalogue:
    """The same data set with its pictures below `folder`.

    A name that is taken by another picture goes into a numbered folder; a copy that an interrupted
    run left half done is made again.
    """
    root = folder / PICTURES
    entries: list[Entry] = []
    for entry in track(data.entries, "copying pictures", len(data)):
        source = data.path(entry)
        file, number = entry.file, 1
        while (root / file).exists() and not filecmp.cmp(source, root / file, shallow=False):
            number += 1
            file = f"{number}/{entry.file}"
        target = root / file
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(target.name + ".part")
            shutil.copyfile(source, part)
            os.replace(part, target)
        entries.append(replace(entry, file=file))
    return replace(data, root=root, entries=tuple(entries))
