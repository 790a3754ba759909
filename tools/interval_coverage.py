"""Measure how often the report's intervals hold the true number, on labelled pictures.

    python -m tools.interval_coverage FOLDER FILE.coco.json NAME=CODE ...

`NAME=CODE` says which class of the release a category of the data set is; the others are no fish.
A find is what the best box on it says, if they overlap by at least 0.3 (IoU). Each of 400 draws of
25 pictures without replacement is a trip.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deckwatch_client.backends import open_backend
from deckwatch_client.records import Record
from deckwatch_client.report.animals import Animals
from deckwatch_client.report.expected import ExpectedCounts
from deckwatch_vision.boxes import iou
from deckwatch_vision.result import Result
from deckwatch_vision.species import NO_FISH

TRIPS, PICTURES, OVERLAP = 400, 25, 0.3
Found = list[tuple[str, tuple[float, ...], tuple[float, ...]]]


def truths(result: Result, labelled: list[tuple[list[float], str]]) -> list[str]:
    """What every fish of the result is; a labelled box counts for one fish, the surest."""
    free, found = dict(enumerate(labelled)), []
    for fish in result.fish:
        overlaps = {
            place: float(iou(np.array([fish.box], np.float32), np.array([box], np.float32))[0, 0])
            for place, (box, _) in free.items()
        }
        best = max(overlaps, key=lambda place: overlaps[place], default=-1)
        hit = overlaps.get(best, 0) >= OVERLAP
        found.append(free.pop(best)[1] if hit else NO_FISH)
    return found


def recognised(
    folder: Path, data: Any, codes_of: Mapping[str, str]
) -> tuple[list[str], list[Found]]:
    """The classes, and for every picture its fish: truth, likelihoods, chances."""
    backend = open_backend("", repository=None, timeout_s=60)
    codes = [one.code for one in backend.served().species]
    names = {one["id"]: codes_of.get(one["name"], NO_FISH) for one in data["categories"]}
    boxes: dict[int, list[tuple[list[float], str]]] = {one["id"]: [] for one in data["images"]}
    for one in data["annotations"]:
        x, y, width, height = one["bbox"]
        boxes[one["image_id"]].append(([x, y, x + width, y + height], names[one["category_id"]]))
    pictures = []
    for image in data["images"]:
        result = backend.infer((folder / image["file_name"]).read_bytes())
        animals = Animals(codes).of(Record(image["file_name"], result))
        pictures.append(
            [
                (truth, animal.likelihoods, animal.chances)
                for truth, animal in zip(truths(result, boxes[image["id"]]), animals, strict=True)
            ]
        )
    backend.close()
    return codes, pictures


def judged(codes: list[str], pictures: Iterable[Found], place: int) -> dict[str, tuple[int, Any]]:
    """By class: the true number among the finds, and the expected one."""
    true: Counter[str] = Counter()
    counts = ExpectedCounts(len(codes))
    for found in pictures:
        for row in found:
            true[row[0]] += 1
            counts.add(row[place])  # type: ignore[arg-type]  # 1 likelihoods, 2 chances
    return {code: (true[code], one) for code, one in zip(codes, counts.expected(), strict=True)}


def main() -> None:
    """Print, for likelihoods alone and for chances, the numbers and the share of trips held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("classes", nargs="+")
    given = parser.parse_args()
    codes_of = dict(each.split("=", 1) for each in given.classes)
    data = json.loads(given.labels.read_text(encoding="utf-8"))
    codes, pictures = recognised(given.folder, data, codes_of)
    for place, name in ((1, "likelihoods alone"), (2, "likelihoods times score")):
        held: Counter[str] = Counter()
        draw = np.random.default_rng(0)
        for _ in range(TRIPS):
            trip = draw.choice(len(pictures), min(PICTURES, len(pictures)), replace=False)
            for code, (true, one) in judged(codes, [pictures[i] for i in trip], place).items():
                held[code] += one.low <= true <= one.high
        print(name)
        for code, (true, one) in judged(codes, pictures, place).items():
            print(
                f"  {code}: true {true}, expected {one.mean:.1f} ({one.low} to {one.high}); "
                f"held in {100 * held[code] / TRIPS:.0f} % of trips"
            )


if __name__ == "__main__":
    main()
