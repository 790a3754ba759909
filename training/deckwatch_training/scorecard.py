"""The scorecard of a release on a data set that it has never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from deckwatch_training import metrics
from deckwatch_training.crops import Example, cut, examples, picture_label
from deckwatch_training.dataset import DataSet
from deckwatch_training.detection import average_precision, hits
from deckwatch_training.metrics import Floats, Hits, Ints
from deckwatch_training.pipeline import (
    Net,
    candidates,
    reported,
    run_classifier,
    run_detector,
    wide,
)
from deckwatch_vision.fusion import softmax
from deckwatch_vision.release import Release
from deckwatch_vision.species import NO_FISH

BATCH = 32


def measured(groups: Sequence[str], measure: Callable[[list[int]], float]) -> list[float]:
    """[value, low, high] of `measure`, which takes the rows drawn; the interval is over groups."""
    low, high = metrics.interval(groups, measure)
    return [round(float(v), 4) for v in (measure(list(range(len(groups)))), low, high)]


def of_hits(
    rows: Sequence[Hits], groups: Sequence[str], measure: Callable[[Sequence[Hits]], float]
) -> list[float]:
    """A number of what was found on pictures, with its interval."""
    return measured(groups, lambda drawn: measure([rows[i] for i in drawn]))


def of_likelihoods(
    found: Floats, truth: Ints, groups: Sequence[str], measure: Callable[[Floats, Ints], float]
) -> list[float]:
    """A number of likelihoods [N, C] against the truth [N], with its interval."""
    return measured(groups, lambda drawn: measure(found[drawn], truth[drawn]))


def box_logits(classifier: Net, rows: Sequence[Example], release: Release) -> tuple[Floats, Ints]:
    """The classifier on true boxes, cut as in production: logits [N, C], species [N]."""
    size, context = release.classifier.input_size, release.classifier.context
    found = [
        classifier(np.stack([cut(row, size, context) for row in rows[i : i + BATCH]]))
        for i in range(0, len(rows), BATCH)
    ]
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
    detector: Net, classifier: Net, data: DataSet, species: dict[str, str], release: Release
) -> dict[str, Any]:
    """The whole scorecard. Lists of three are [value, low, high] of a 95 % interval over groups."""
    fish = fish_only(data, species)
    heads = run_detector(detector, data.pictures, release)
    found = candidates(heads, wide(release))
    rows = run_classifier(classifier, heads, found, release)
    labels = picture_labels(data, species, release)
    # Average precision needs the whole curve; everything else is the release as it answers.
    curve, shipped = reported(rows, wide(release)), reported(rows, release)
    answers = [row.fused(release).likelihoods.astype(np.float64) for row in rows]
    groups = [picture.group for picture in data.pictures]
    threshold = release.fusion.score_threshold
    return {
        "pictures": len(data),
        "groups": len(set(groups)),
        "fish": sum(len(picture.boxes) for picture in fish.pictures),
        "detector": {
            "ap50": of_hits(hits(curve, fish), groups, metrics.average_precision_50),
            "ap50_without_veto": round(metrics.average_precision_50(hits(found, fish)), 4),
            "ap": average_precision(curve, fish)[0],
            "threshold": threshold,
            **_operating(hits(shipped, fish), groups, threshold),
        },
        "species": _species(classifier, data, species, release),
        "picture": _pictures(np.stack(answers), labels, groups),
    }


def _operating(rows: list[Hits], groups: list[str], threshold: float) -> dict[str, Any]:
    def point(name: str) -> list[float]:
        return of_hits(rows, groups, lambda r: getattr(metrics.at_threshold(r, threshold), name))

    alarms, empty = metrics.false_alarms(rows, threshold)
    return {
        "f1": point("f1"),
        "recall": point("recall"),
        "precision": point("precision"),
        "pictures_without_fish": empty,
        "false_alarm_pictures": alarms,
        "false_alarm_share": of_hits(rows, groups, _alarm_share),
    }


def _alarm_share(rows: Sequence[Hits]) -> float:
    # The rows are what the release reports: everything in them is over its threshold.
    alarms, empty = metrics.false_alarms(rows, 0.0)
    return alarms / max(1, empty)


def _species(
    classifier: Net, data: DataSet, species: dict[str, str], release: Release
) -> dict[str, Any]:
    rows = examples(data, species, boxes_only=True)
    logits, truth = box_logits(classifier, rows, release)
    found = softmax(logits, release.classifier.temperature)
    groups = [row.picture.group for row in rows]
    over = partial(of_likelihoods, found, truth, groups)
    order = release.labels.codes
    confusion = np.zeros((len(order), len(order)), int)
    np.add.at(confusion, (truth, found.argmax(1)), 1)
    is_fish = truth != release.labels.no_fish
    return {
        "boxes": len(rows),
        "accuracy": over(metrics.accuracy),
        "accuracy_fish_boxes": round(float((found.argmax(1) == truth)[is_fish].mean()), 4),
        "macro_recall": over(metrics.macro_recall),
        "log_loss": over(metrics.log_loss),
        "calibration_error": over(metrics.calibration_error),
        "recall": {order[c]: round(r, 4) for c, r in metrics.recalls(found, truth).items()},
        "confusion": {code: row.tolist() for code, row in zip(order, confusion, strict=True)},
    }


def _pictures(found: Floats, truth: Ints, groups: list[str]) -> dict[str, Any]:
    over = partial(of_likelihoods, found, truth, groups)
    return {
        "accuracy": over(metrics.accuracy),
        "log_loss": over(metrics.log_loss),
        "calibration_error": over(metrics.calibration_error),
    }
