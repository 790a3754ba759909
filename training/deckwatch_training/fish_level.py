"""The whole pipeline, fish by fish: found, named rightly, missed, or reported where none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deckwatch_training.answers import Answer
from deckwatch_training.coco import Sheet, mean_of, precision_table
from deckwatch_training.detection import matches, partners
from deckwatch_training.estimates import class_measures, measured, rounded, table_measures
from deckwatch_training.metrics import Floats, Hits, Ints, Ranking
from deckwatch_vision.recognise import Fused
from deckwatch_vision.species import NO_FISH

# The extra column and row of the confusion matrix.
MISSED, FALSE = "missed", "false"


def named(fused: Fused, codes: Sequence[str]) -> list[str]:
    """The species of every fish as production names it: the likeliest that is not "no fish"."""
    likelihoods = fused.fish_likelihoods.copy()
    likelihoods[:, list(codes).index(NO_FISH)] = -1.0
    return [codes[int(i)] for i in likelihoods.argmax(1)] if len(likelihoods) else []


def fish_level(rows: Sequence[Answer], codes: Sequence[str]) -> dict[str, Any]:
    """How well fish are found and named, over the pictures whose boxes are known.

    `map` is COCO's mean average precision over the species, `map50` that at IoU 0.5 with its
    interval. `confusion` has the truth in its rows, the last of which is no fish at all (`false`),
    and the answer in its columns, the last of which is `missed`. Fish of species that the release
    lacks can only be found wrongly or missed; their rows are `unknown`.
    """
    fish = [code for code in codes if code != NO_FISH]
    groups = [row.picture.group for row in rows]
    labels = [named(row.curve, codes) for row in rows]
    sheets = [_sheet(row, found, fish) for row, found in zip(rows, labels, strict=True)]
    table = precision_table(sheets, fish)[..., 0]
    there = [i for i, code in enumerate(fish) if any(code in row.names for row in rows)]
    tables = np.array([_table(row, codes, fish) for row in rows]).reshape(-1, (len(fish) + 2) ** 2)
    side = len(fish) + 2

    def of_draw(drawn: Ints) -> Floats:
        return _measures(tables[drawn].sum(0).reshape(side, side), len(fish))

    total = tables.sum(0).reshape(side, side)
    return {
        "map": rounded(mean_of(table[..., there])),
        "map50": _map50(sheets, groups, [fish[i] for i in there]),
        "ap": {fish[i]: rounded(mean_of(table[..., i])) for i in there},
        "ap50": {fish[i]: rounded(mean_of(table[0, :, i])) for i in there},
        **class_measures(of_draw, groups, fish),
        "columns": [*fish, MISSED],
        "confusion": {
            name: [*row[: len(fish)].tolist(), int(row[-1])]
            for name, row in zip((*fish, "unknown", FALSE), total, strict=True)
            if name != "unknown" or row.sum()
        },
    }


def _sheet(row: Answer, labels: Sequence[str], fish: Sequence[str]) -> Sheet:
    truth, names = row.truth()
    kept = [i for i, name in enumerate(names) if name in fish]
    return Sheet(
        row.picture.width, row.picture.height, truth[kept], [names[i] for i in kept],
        row.curve.boxes, row.curve.scores, labels,
    )  # fmt: skip


def _table(row: Answer, codes: Sequence[str], fish: Sequence[str]) -> Ints:
    """One picture's counts: rows fish, unknown, false; columns fish, (unused), missed; flat."""
    truth, names = row.truth()
    table = np.zeros((len(fish) + 2, len(fish) + 2), np.int64)
    place = [fish.index(name) if name in fish else len(fish) for name in names]
    found = partners(row.shipped.boxes, truth)
    for partner, label in zip(found, named(row.shipped, codes), strict=True):
        table[place[partner] if partner >= 0 else -1, fish.index(label)] += 1
    for i in set(range(len(names))) - set(found.tolist()):
        table[place[i], -1] += 1
    return table.ravel()


def _measures(table: Ints, fish: int) -> Floats:
    """`table_measures` of the species alone: unknown, false and missed have no recall."""
    values = table_measures(table)
    recall, precision = values[1 : 1 + fish], values[1 + len(table) : 1 + len(table) + fish]
    known = recall[~np.isnan(recall)]
    return np.concatenate(([known.mean() if len(known) else np.nan], recall, precision))


def _map50(sheets: Sequence[Sheet], groups: Sequence[str], fish: Sequence[str]) -> Any:
    """The mean over the species of AP at IoU 0.5, with its interval."""
    if not fish:
        return [None, None, None]
    rankings = [
        Ranking([_of_species(s, g, code) for s, g in zip(sheets, groups, strict=True)])
        for code in fish
    ]
    count = {code: np.array([s.names.count(code) for s in sheets]) for code in fish}

    def of_draw(drawn: Ints) -> float:
        counts = np.bincount(drawn, minlength=len(sheets))
        values = [
            ranking.ap50(counts)
            for ranking, code in zip(rankings, fish, strict=True)
            if counts @ count[code]
        ]
        return float(np.mean(values)) if values else float("nan")

    return measured(groups, of_draw)


def _of_species(sheet: Sheet, group: str, code: str) -> Hits:
    truth = sheet.truth[[name == code for name in sheet.names]]
    mine = np.array([label == code for label in sheet.labels], bool)
    boxes, scores = sheet.boxes[mine], sheet.scores[mine]
    return Hits(scores, matches(boxes, truth), len(truth), group)
