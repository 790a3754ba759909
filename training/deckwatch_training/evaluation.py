"""Measuring a release that stands in a model repository on a data set, and what to measure on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from deckwatch_serving.net import open_net
from deckwatch_serving.repository import open_release
from deckwatch_training import catalogue, scorecard
from deckwatch_training.answers import Track
from deckwatch_training.dataset import DataSet, read_coco
from deckwatch_training.scorecard import Unknown
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import Release


def pictures_of(path: Path, split: str) -> DataSet:
    """The pictures of a split of a data set, and those that have none.

    Raises:
        UsageError: there are none; the message says which splits there are.
    """
    found = read_coco(path, split=split)
    if not len(found):
        there = Counter(entry.split or "no split" for entry in catalogue.read(path).entries)
        shown = ", ".join(f"{name} ({count})" for name, count in sorted(there.items()))
        raise UsageError(
            f"{path} has no picture of the split {split!r}; it has {shown or 'no pictures'}. Give "
            "another --split, or divide the data set with `deckwatch data split`."
        )
    return found


def species_of(data: DataSet) -> dict[str, str]:
    """Every label of a data set whose labels are species codes already, as itself."""
    labels = set(data.counts()) | {p.label for p in data.pictures if p.label}
    return {label: label for label in sorted(labels, key=str.casefold)}


def measure(
    repository: Path,
    data: DataSet,
    species: dict[str, str] | None = None,
    *,
    version: int | None = None,
    split: str = "valid",
    unknown: Unknown = "refuse",
    track: Track = iter,
) -> tuple[Release, dict[str, Any]]:
    """A release (by default the live one) and its scorecard, computed in float32.

    species: of each of the data set's labels, which are species codes by default; for the rest see
    `scorecard.evaluate`.
    """
    release = open_release(repository, version)
    # Not the fastest runtime of this machine: scorecards of several machines must compare.
    card = scorecard.evaluate(
        open_net(repository / release.detector.file, threads=0),
        open_net(repository / release.classifier.file, threads=0),
        data,
        species or species_of(data),
        release,
        split=split,
        unknown=unknown,
        track=track,
    )
    return release, card


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file, moved into place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; an empty one where there is no file."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
