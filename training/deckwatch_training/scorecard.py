"""The scorecard of a release on a data set that it has never seen.

Sections: `detector` (where are fish), `species` (the classifier on true boxes), `picture` (the
answer for whole pictures), `pipeline` (fish found and named), `by` (vessel, day and night, size of
the fish), and what it was measured on. Lists of three are [value, low, high] of a 95 % interval
over whole vessels; null is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np

from deckwatch_training import answers as answers_
from deckwatch_training import breakdown, metrics
from deckwatch_training.answers import Answer, Answers, Track
from deckwatch_training.coco import ANY, Sheet, mean_of, precision_table
from deckwatch_training.crops import Example, picture_label
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.detection import Found, matches
from deckwatch_training.estimates import Estimate, measured, of_likelihoods, per_class, rounded
from deckwatch_training.fish_level import fish_level
from deckwatch_training.metrics import Floats, Hits, Ints, Ranking
from deckwatch_training.pipeline import BATCH, Net, read_picture
from deckwatch_vision.boxes import crop, whole
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import Release
from deckwatch_vision.species import NO_FISH

# What to do about species that a release does not have.
Unknown = Literal["refuse", "leave-out"]


def box_logits(classifier: Net, rows: Sequence[Example], release: Release) -> tuple[Floats, Ints]:
    """The classifier on true boxes, cut as in production: logits [N, C], species [N]."""
    size, context = release.classifier.input_size, release.classifier.context
    found = [np.zeros((0, len(release.labels)), np.float32)]
    seen, pixels = None, np.zeros((0, 0, 3), np.uint8)
    for i in range(0, len(rows), BATCH):
        crops = []
        for row in rows[i : i + BATCH]:
            if row.picture is not seen:
                seen, pixels = row.picture, read_picture(row.picture)
            box = row.box
            crops.append(
                whole(pixels, size)
                if box is None
                else crop(pixels, np.array(box, np.float32), size, context)
            )
        found.append(classifier(np.stack(crops)))
    truth = [release.labels.index(row.code) for row in rows]
    return np.concatenate(found).astype(np.float64), np.array(truth, np.int64)


def picture_labels(data: DataSet, species: dict[str, str], release: Release) -> Ints:
    """The species of each picture: the one that covers most of it."""
    labels = [release.labels.index(picture_label(p, species)) for p in data.pictures]
    return np.array(labels, np.int64)


def fish_only(data: DataSet, species: dict[str, str]) -> DataSet:
    """The data set with nothing but fish boxes."""
    return data.select([name for name, code in species.items() if code != NO_FISH])


def evaluate(
    detector: Net,
    classifier: Net,
    data: DataSet,
    species: dict[str, str],
    release: Release,
    *,
    split: str = "valid",
    unknown: Unknown = "refuse",
    track: Track = iter,
) -> dict[str, Any]:
    """The whole scorecard of a release on a data set; `split` is only written down.

    unknown: what to do about species that the release does not have. "refuse" them, or
    "leave-out": their fish still count for the detector, and their pictures and boxes are left out
    where species are measured.

    Raises:
        UsageError: there is no picture that can be read, a category is no species, or the release
            lacks a species.
    """
    answers_.check_categories(data, species)
    lacking = answers_.unknown(data, species, release.labels.codes)
    if lacking and unknown == "refuse":
        shown = ", ".join(f"{code} ({count})" for code, count in sorted(lacking.items()))
        raise UsageError(
            f"Release {release.name} {release.version} does not have the species {shown} of this "
            f"data set; it knows {', '.join(release.labels.codes)}. Measure it with "
            "--unknown leave-out, or map these species to OTHER when importing."
        )
    given = answers_.answer(detector, classifier, data, species, release, track)
    if not given.rows:
        why = f" The first failure: {given.failures[0]}" if given.failures else ""
        raise UsageError(f"There is no picture to measure on.{why}")
    return of(given, release.fusion.score_threshold, facts(data, split), dict(lacking))


def facts(data: DataSet, split: str) -> dict[str, Any]:
    """What a scorecard was measured on; two scorecards compare where the digests are the same."""
    vessels = len({picture.group for picture in data.pictures})
    return {"digest": data.digest(), "split": split, "vessels": vessels, "pictures": len(data)}


def of(
    given: Answers, threshold: float, data: dict[str, Any], lacking: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The scorecard of answers; `threshold` is the shipped one, `data` and `lacking` are noted."""
    rows = given.rows
    card: dict[str, Any] = {
        "data": data,
        "labels": list(given.codes),
        "pictures": len(rows),
        "groups": len({row.picture.group for row in rows}),
        "fish": sum(len(row.fish) for row in rows),
        "detector": _detector([row for row in rows if row.boxed], threshold),
        "species": species_section(rows, given.codes),
        "picture": _pictures(rows, given.codes),
        "pipeline": fish_level([row for row in rows if row.boxed], given.codes),
        "by": breakdown.by_all(given),
    }
    if lacking:
        card["unknown"] = dict(sorted(lacking.items()))
    if given.failures:
        card["failures"] = list(given.failures)
    return card


def _detector(rows: Sequence[Answer], threshold: float) -> dict[str, Any]:
    fish = [replace(row.picture, boxes=row.truth()[0], names=tuple(row.truth()[1])) for row in rows]
    alone = [_hits(p, row.found) for p, row in zip(fish, rows, strict=True)]
    return {
        "threshold": threshold,
        "ap50_without_veto": rounded(Ranking(alone).ap50()),
        **finding(
            fish,
            [Found(row.curve.boxes, row.curve.scores) for row in rows],
            [Found(row.shipped.boxes, row.shipped.scores) for row in rows],
        ),
    }


def finding(
    fish: Sequence[Picture], curve: Sequence[Found], shipped: Sequence[Found]
) -> dict[str, Any]:
    """How well fish are found, whatever their species.

    fish: the pictures with their fish boxes alone; curve: boxes of every score; shipped: those that
    are reported.
    """
    groups = [picture.group for picture in fish]
    hits = [_hits(picture, got) for picture, got in zip(fish, curve, strict=True)]
    sheets = [
        Sheet(
            p.width, p.height, p.boxes, [ANY] * len(p.boxes),
            got.boxes, got.scores, [ANY] * len(got.scores),
        )
        for p, got in zip(fish, curve, strict=True)
    ]  # fmt: skip
    table = precision_table(sheets, [ANY])
    any_fish = any(len(picture.boxes) for picture in fish)
    ap50 = partial(drawn_ap50, Ranking(hits), len(fish))
    return {
        "ap50": measured(groups, ap50) if any_fish else [None, None, None],
        "ap": rounded(mean_of(table[..., 0])),
        "ap75": rounded(mean_of(table[5, :, :, 0])),
        **operating([_hits(p, got) for p, got in zip(fish, shipped, strict=True)], groups),
    }


def drawn_ap50(ranking: Ranking, pictures: int, drawn: Ints) -> float:
    """AP50 of the pictures drawn, each as often as it was drawn."""
    return ranking.ap50(np.bincount(drawn, minlength=pictures))


def _hits(picture: Picture, got: Found) -> Hits:
    right = matches(got.boxes, picture.boxes)
    return Hits(got.scores, right, len(picture.boxes), picture.group)


def operating(rows: Sequence[Hits], groups: Sequence[str]) -> dict[str, Any]:
    """F1, recall, precision and false alarms of what a release reports."""
    right = np.array([row.right.sum() for row in rows], np.int64)
    count = np.array([len(row.scores) for row in rows], np.int64)
    fish = np.array([row.fish for row in rows], np.int64)
    empty = fish == 0
    alarm = empty & (count > 0)

    def share(part: Ints, whole: Ints) -> Estimate:
        return measured(groups, lambda drawn: _ratio(part[drawn].sum(), whole[drawn].sum()))

    return {
        "f1": share(2 * right, count + fish),
        "recall": share(right, fish),
        "precision": share(right, count),
        "pictures_without_fish": int(empty.sum()),
        "false_alarm_pictures": int(alarm.sum()),
        "false_alarm_share": share(alarm.astype(np.int64), empty.astype(np.int64)),
    }


def _ratio(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else float("nan")


def species_section(rows: Sequence[Answer], codes: Sequence[str]) -> dict[str, Any]:
    """The classifier on true boxes of species that the release has."""
    kept = [(row, i) for row in rows for i, name in enumerate(row.names) if name in codes]
    truth = np.array([codes.index(row.names[i]) for row, i in kept], np.int64)
    found = np.array([row.of_boxes[i] for row, i in kept]).reshape(-1, len(codes))
    groups = [row.picture.group for row, _ in kept]
    right = (found.argmax(1) == truth)[truth != list(codes).index(NO_FISH)]
    return {
        "boxes": len(kept),
        "accuracy_fish_boxes": rounded(float(right.mean())) if len(right) else None,
        **likelihood_section(found, truth, groups, codes),
    }


def _pictures(rows: Sequence[Answer], codes: Sequence[str]) -> dict[str, Any]:
    kept = [row for row in rows if row.code in codes]
    truth = np.array([codes.index(row.code) for row in kept], np.int64)
    found = np.array([row.likelihoods for row in kept]).reshape(-1, len(codes))
    return likelihood_section(found, truth, [row.picture.group for row in kept], codes)


def likelihood_section(
    found: Floats, truth: Ints, groups: Sequence[str], codes: Sequence[str]
) -> dict[str, Any]:
    """Everything that likelihoods [N, C] and the truth [N] tell."""
    over: Callable[[Callable[[Floats, Ints], float]], Estimate]
    over = partial(of_likelihoods, found, truth, groups)
    return {
        "accuracy": over(metrics.accuracy),
        "log_loss": over(metrics.log_loss),
        "calibration_error": over(metrics.calibration_error),
        **per_class(found, truth, groups, codes),
        "reliability": [
            row | {key: rounded(row[key]) for key in ("low", "high", "confidence", "accuracy")}
            for row in (metrics.reliability(found, truth) if len(truth) else [])
        ],
    }
