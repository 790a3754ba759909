"""The stages of a retraining that make its data sets: import, check, split, augment, crop.

Each writes a folder with a data.json. A folder that an interrupted stage left half done is made
anew, but for augmentation and crops, which continue.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deckwatch_training import catalogue as catalogues
from deckwatch_training import data_check, data_store, dividing, importing, label_map
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_training.evaluation import write_json
from deckwatch_training.importers.source import Source
from deckwatch_training.label_files import (
    LABELS_AND_WEIGHTS,
    LabelRow,
    read_rows,
    rows_of,
    write_rows,
)
from deckwatch_training.retrain_config import RetrainConfig, SplitConfig
from deckwatch_vision.errors import UsageError
from deckwatch_vision.headers import read_header
from deckwatch_vision.species import NO_FISH

PICTURES = "pictures"


def import_sources(config: RetrainConfig, folder: Path) -> None:
    """Every source into one data set; pictures stay where they lie.

    Raises:
        UsageError: a source is not there, or has names without a code.
    """
    shutil.rmtree(folder, ignore_errors=True)
    described = label_map.described(config.labels, config.name)
    for i, source in enumerate(config.sources):
        imported = importing.import_source(
            Source(source.path),
            label_map.load(source.labels, described),
            format=source.format,
            given={
                "split": source.split,
                "vessel": source.vessel,
                "source": source.source or config.data_name or None,
                "licence": source.licence or config.licence or None,
            },
        )
        for problem in imported.problems:
            sys.stderr.write(f"import: {problem.file}: {problem.what}\n")
        data_store.save(imported, folder, add=i > 0)


def check(data: Path, target: Path) -> None:
    """What is wrong with the data set, in a file; nothing that training could not live with."""
    checked = data_check.check(data)
    for kind, number in checked.counts().items():
        sys.stderr.write(f"check: {number} x {data_check.KINDS[kind]}\n")
    write_json(target, checked.as_json())


def split(settings: SplitConfig, data: Path, folder: Path) -> None:
    """Every picture to one side; whole vessels, cameras and near duplicates together.

    Raises:
        UsageError: nothing is left to measure on, or to learn from.
    """
    shutil.rmtree(folder, ignore_errors=True)
    done = dividing.run(data, folder, settings.shares, seed=settings.seed, keep=settings.keep)
    for text in done.divided.warnings:
        sys.stderr.write(f"split: warning: {text}\n")
    found = Counter(entry.split for entry in done.divided.catalogue.entries)
    for name in ("train", "valid"):
        if not found[name]:
            shutil.rmtree(folder)
            raise UsageError(
                f"No picture is of the split {name!r}: {dict(found)}. Give more vessels or "
                "cameras, or other `split.shares`."
            )


def augment(config: RetrainConfig, data: Path, folder: Path) -> None:
    """Changed copies of the training pictures; the other splits are carried over as they are."""
    from deckwatch_training.augment import Settings
    from deckwatch_training.augment import augment as make

    settings = config.augment
    if settings is None:
        raise UsageError("This configuration has no `augment`.")
    whole = catalogues.read(data)
    train = [entry for entry in whole.entries if entry.split in (None, "train")]
    labels = folder.with_name(folder.name + "-labels.csv")
    write_rows(labels, _grouped_rows(train), weights=False)
    make(
        Settings(
            input_folder=whole.root,
            output_folder=folder / PICTURES,
            label_file=labels,
            new_label_file=folder / LABELS_AND_WEIGHTS,
            steps=settings.steps,
            copies=settings.copies,
            seed=settings.seed,
            workers=settings.workers,
            engine=settings.engine,
            sensitive_factor=settings.sensitive_factor,
            equal_vessels=settings.equal_vessels,
            replace=True,  # only what this stage made itself with other settings
        )
    )
    sources = {entry.file: entry for entry in train}
    made = list(_entries(folder / LABELS_AND_WEIGHTS, folder / PICTURES, sources))
    others = [entry for entry in whole.entries if entry.split not in (None, "train")]
    pictures = folder / PICTURES
    everything = Catalogue(pictures, (*made, *_carried(whole, pictures, others)), whole.info)
    catalogues.write(everything, folder / catalogues.FILE)


def _grouped_rows(entries: list[Entry]) -> Iterator[LabelRow]:
    """Label rows whose vessel is what weights are balanced within, even where none is known."""
    for entry in entries:
        for row in rows_of(entry):
            yield replace(row, vessel=entry.vessel or entry.camera or entry.group)


def _entries(labels: Path, folder: Path, sources: dict[str, Entry]) -> Iterator[Entry]:
    """The pictures of a label file as entries, with what is known of the picture they came from."""
    rows: dict[str, list[LabelRow]] = {}
    for row in read_rows(labels):
        rows.setdefault(row.image, []).append(row)
    for image, found in rows.items():
        source = sources[found[0].source_image or image]
        boxes = tuple(Box(row.label, *row.box) for row in found if row.box)
        height, width = read_header((folder / image).read_bytes()).upright_size
        yield replace(
            source,
            file=image,
            width=width,
            height=height,
            boxes=boxes,
            label=None if boxes else found[0].label,
            split="train",
        )


def _carried(whole: Catalogue, root: Path, entries: list[Entry]) -> list[Entry]:
    """Pictures of the data set as they are called from below `root`."""
    there = os.path.relpath(whole.root.resolve(), root.resolve())
    return [
        replace(entry, file=Path(os.path.normpath(Path(there, entry.file))).as_posix())
        for entry in entries
    ]


def crop(config: RetrainConfig, model: Path, data: Path, folder: Path) -> None:
    """Pictures with a species but no boxes, cut to their best fish; others as they are.

    A picture on which the detector finds nothing is left out or kept whole, as configured.
    """
    from deckwatch_training import fish_images

    whole = catalogues.read(data)
    unboxed = [e for e in whole.entries if not e.boxes and e.label not in (None, NO_FISH)]
    pictures = folder / PICTURES
    if unboxed:
        fish_images.create(
            fish_images.Settings(
                input_folder=whole.root,
                output_folder=pictures,
                model=model,
                no_fish=config.crop.no_fish if config.crop else "whole",
                images=tuple(entry.file for entry in unboxed),
                replace=True,
            )
        )
    pictures.mkdir(parents=True, exist_ok=True)
    cut: dict[str, Entry] = {}
    for entry in unboxed:
        name = fish_images.crop_name(entry.file)
        if (pictures / name).exists():
            height, width = read_header((pictures / name).read_bytes()).upright_size
            cut[entry.file] = replace(entry, file=name, width=width, height=height)
    names = {entry.file for entry in unboxed}
    others = [entry for entry in whole.entries if entry.file not in names]
    carried = {
        old.file: new for old, new in zip(others, _carried(whole, pictures, others), strict=True)
    }
    made = Catalogue(pictures, (*cut.values(), *carried.values()), whole.info)
    catalogues.write(made, folder / catalogues.FILE)
    weights = data / LABELS_AND_WEIGHTS
    if weights.exists():
        to = cut | carried
        moved = (
            replace(row, image=to[row.image].file) for row in read_rows(weights) if row.image in to
        )
        write_rows(folder / LABELS_AND_WEIGHTS, moved, weights=True)
