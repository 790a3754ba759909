"""A release's numbers by vessel, by day and night, and by the size of the fish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deckwatch_training import metrics
from deckwatch_training.answers import Answer, Answers
from deckwatch_training.coco import ANY, SIZES, Sheet, mean_of, precision_table, size_of
from deckwatch_training.detection import partners
from deckwatch_training.estimates import Estimate, measured, of_likelihoods, rounded
from deckwatch_training.metrics import Ints


def by_all(given: Answers) -> dict[str, Any]:
    """The three breakdowns of a scorecard."""
    rows = given.rows
    vessels: dict[str, list[Answer]] = {}
    for row in rows:
        vessels.setdefault(row.picture.group, []).append(row)
    light = {"day": [r for r in rows if not r.night], "night": [r for r in rows if r.night]}
    return {
        "vessel": {name: _part(vessels[name], given.codes) for name in sorted(vessels)},
        "light": {name: _part(part, given.codes) for name, part in light.items() if part},
        "size": by_size([row for row in rows if row.boxed], given.codes),
    }


def _part(rows: Sequence[Answer], codes: Sequence[str]) -> dict[str, Any]:
    """What is told of some of the pictures."""
    labelled = [row for row in rows if row.code in codes]
    truth = np.array([codes.index(row.code) for row in labelled], np.int64)
    found = np.array([row.likelihoods for row in labelled]).reshape(-1, len(codes))
    groups = [row.picture.group for row in labelled]
    boxed = [row for row in rows if row.boxed]
    counts = np.array([_counts(row) for row in boxed], np.int64).reshape(-1, 3)
    return {
        "pictures": len(rows),
        "night": sum(row.night for row in rows),
        "fish": sum(len(row.fish) for row in rows),
        "accuracy": of_likelihoods(found, truth, groups, metrics.accuracy),
        "macro_recall": of_likelihoods(found, truth, groups, metrics.macro_recall),
        "log_loss": of_likelihoods(found, truth, groups, metrics.log_loss),
        "recall": _share(counts[:, 0], counts[:, 1], boxed),
        "precision": _share(counts[:, 0], counts[:, 2], boxed),
        "species_accuracy": _named_rightly(rows, codes),
    }


def _counts(row: Answer) -> tuple[int, int, int]:
    """Fish found, fish there, fish reported."""
    truth, _ = row.truth()
    found = partners(row.shipped.boxes, truth)
    return int((found >= 0).sum()), len(truth), len(found)


def _share(part: Ints, whole: Ints, rows: Sequence[Answer]) -> Estimate:
    def of_draw(drawn: Ints) -> float:
        total = whole[drawn].sum()
        return float(part[drawn].sum() / total) if total else float("nan")

    return measured([row.picture.group for row in rows], of_draw)


def _named_rightly(rows: Sequence[Answer], codes: Sequence[str]) -> Estimate:
    """The classifier's accuracy on the true boxes."""
    right, all_, kept = [], [], []
    for row in rows:
        known = [i for i, name in enumerate(row.names) if name in codes]
        guess = row.of_boxes[known].argmax(1) if known else np.zeros(0, np.int64)
        right.append(sum(codes[g] == row.names[i] for g, i in zip(guess, known, strict=True)))
        all_.append(len(known))
        kept.append(row)
    return _share(np.array(right, np.int64), np.array(all_, np.int64), kept)


def by_size(rows: Sequence[Answer], codes: Sequence[str]) -> dict[str, Any]:
    """Fish by COCO's sizes: under 32, under 96, and from 96 pixels a side (root of the area).

    `side` is the median of that side over the side of a square as large as the picture, since the
    same fish has more pixels on a larger picture.
    """
    sheets = []
    found: dict[str, list[list[int]]] = {size: [] for size in SIZES}
    sides: dict[str, list[float]] = {size: [] for size in SIZES}
    for row in rows:
        truth, names = row.truth()
        sheets.append(
            Sheet(
                row.picture.width, row.picture.height, truth, [ANY] * len(truth),
                row.curve.boxes, row.curve.scores, [ANY] * len(row.curve.scores),
            )
        )  # fmt: skip
        _count_sizes(row, names, codes, found, sides)
    table = precision_table(sheets, [ANY])
    parts = {}
    for i, size in enumerate(SIZES, start=1):
        counts = np.array(found[size], np.int64).reshape(-1, 4)
        if not counts[:, 0].sum():
            continue
        parts[size] = {
            "fish": int(counts[:, 0].sum()),
            "side": rounded(float(np.median(sides[size]))),
            "ap": rounded(mean_of(table[..., i])),
            "recall": _share(counts[:, 1], counts[:, 0], rows),
            "species_accuracy": _share(counts[:, 3], counts[:, 2], rows),
        }
    return parts


def _count_sizes(
    row: Answer,
    names: Sequence[str],
    codes: Sequence[str],
    found: dict[str, list[list[int]]],
    sides: dict[str, list[float]],
) -> None:
    """Add one picture's counts of fish, found, of known species, named rightly to every size."""
    truth, _ = row.truth()
    reached = set(partners(row.shipped.boxes, truth).tolist())
    best = row.of_boxes[row.fish].argmax(1) if row.fish else []
    counts = {size: [0, 0, 0, 0] for size in SIZES}
    for i, (box, name) in enumerate(zip(truth, names, strict=True)):
        area = float((box[2] - box[0]) * (box[3] - box[1]))
        count = counts[size_of(area)]
        count[0] += 1
        count[1] += i in reached
        count[2] += name in codes
        count[3] += codes[int(best[i])] == name
        sides[size_of(area)].append((area / (row.picture.width * row.picture.height)) ** 0.5)
    for size in SIZES:
        found[size].append(counts[size])
