"""Cross-validation by vessels: every picture is measured by nets that never saw its vessel.

out/data.json          all pictures, each with its fold as its group of folds
out/fold-1/data.json   the same pictures, those of the fold's vessels as the valid split
out/fold-1/detector/   the run, continued by the same command after an interruption
out/scorecard.json     every fold, and all pictures together
out/scorecard.html
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deckwatch_training import catalogue, evaluation, fold_report, fold_runs, scorecard
from deckwatch_training.catalogue import Catalogue, Entry
from deckwatch_training.config import TrainConfig, load
from deckwatch_training.dataset import read_coco
from deckwatch_training.folds import fold_of
from deckwatch_training.label_files import rows_of
from deckwatch_training.split import find_units
from deckwatch_vision.errors import UsageError


def run(paths: Sequence[Path], k: int, out: Path) -> str:
    """Train and measure every fold, write the scorecard and its page; the table for the terminal.

    paths: configurations of a detector, a classifier, or one of each.

    Raises:
        UsageError: the configurations do not fit each other, there are too few vessels, or `out`
            holds the folds of other data.
    """
    configs = [load(path) for path in paths]
    tasks = [config.task for config in configs]
    if len(set(tasks)) < len(tasks):
        raise UsageError(
            f"Two configurations train a {tasks[0]}. Give a detector, a classifier, or one of each."
        )
    if len(configs) == 2 and configs[0].data.species != configs[1].data.species:
        raise UsageError(f"{paths[0]} and {paths[1]} map species differently (data.species).")
    if len(configs) == 2 and _sources(configs[0]) != _sources(configs[1]):
        raise UsageError(f"{paths[0]} and {paths[1]} name different data (data.train, data.valid).")
    data = everything(configs[0])
    folders = write_folds(data, k, out)
    results = [
        fold_runs.measure({config.task: _of_fold(config, folder) for config in configs}, folder)
        for folder in folders
    ]
    everyone = read_coco(out / catalogue.FILE)
    card: dict[str, Any] = {
        "data": scorecard.facts(everyone, f"{k} folds"),
        "folds": [fold_report.section(result) for result in results],
        "overall": fold_report.section(fold_runs.joined(results)),
    }
    evaluation.write_json(out / "scorecard.json", card)
    names = " and ".join(config.name for config in configs)
    fold_report.page(card, f"Cross-validation of {names}").write(out / "scorecard.html")
    return fold_report.text(card)


def _sources(config: TrainConfig) -> tuple[Path, Path]:
    return config.data.train.resolve(), config.data.valid.resolve()


def everything(config: TrainConfig) -> Catalogue:
    """All pictures of a configuration's training and valid data but those of the split test.

    A picture without vessel, camera and group gets the group that training would keep together.
    """
    parts = [catalogue.read(path) for path in dict.fromkeys(_sources(config))]
    groups = {
        picture.path.resolve(): picture.group
        for path in dict.fromkeys(_sources(config))
        for picture in read_coco(path).pictures
    }
    roots = {part.root.resolve() for part in parts}
    root = roots.pop() if len(roots) == 1 else Path(os.path.commonpath(roots))
    found: dict[str, Entry] = {}
    for part in parts:
        for entry in part.entries:
            path = part.path(entry).resolve()
            name = path.relative_to(root).as_posix()
            if entry.split != "test" and name not in found:
                group = entry.group or (None if entry.vessel or entry.camera else groups[path])
                found[name] = replace(entry, file=name, group=group)
    return Catalogue(root, tuple(found.values()), parts[0].info)


def write_folds(data: Catalogue, k: int, out: Path) -> list[Path]:
    """One data set a fold, in which its vessels are the valid split; the folders.

    Raises:
        UsageError: there are fewer vessels than folds, or `out` holds the folds of other data.
    """
    units = [""] * len(data)
    for i, members in enumerate(find_units(data.entries, [])):
        for place in members:
            units[place] = f"{i:06d}"
    species = [sorted({row.label for row in rows_of(entry)}) for entry in data.entries]
    folds = fold_of(units, k, species)
    _write_once(data, out / catalogue.FILE)
    folders = []
    for fold in range(k):
        entries = [
            replace(
                entry,
                split="valid" if of == fold else
                "calibrate" if entry.split == "calibrate" else "train",
            )
            for entry, of in zip(data.entries, folds, strict=True)
        ]  # fmt: skip
        folder = out / f"fold-{fold + 1}"
        _write_once(data.having(entries), folder / catalogue.FILE)
        folders.append(folder)
    return folders


def _write_once(data: Catalogue, path: Path) -> None:
    if path.exists():
        if catalogue.read(path).entries == data.entries:
            return
        raise UsageError(
            f"{path} holds other pictures or other folds than these. Give another --out, or delete "
            "the folder."
        )
    catalogue.write(data, path)


def _of_fold(config: TrainConfig, folder: Path) -> TrainConfig:
    path = folder / catalogue.FILE
    data = config.data.model_copy(update={"train": path, "valid": path})
    return config.model_copy(update={"data": data})
