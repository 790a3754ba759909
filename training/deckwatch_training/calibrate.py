"""Every free number of a release, chosen on held-back data that no net was trained on.

In this order: the classifier's temperature (log loss on true boxes); the overlap of NMS (AP50); the
classifier's veto (AP50); the score threshold (F1, among those that report fish on few enough of the
pictures without); last the fusion to picture likelihoods (log loss of the picture's label).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deckwatch_training import metrics
from deckwatch_training.dataset import DataSet
from deckwatch_training.detection import Found, hits
from deckwatch_training.metrics import Floats, Ints
from deckwatch_training.pipeline import Heads, Net, Rows, candidates, reported, run_classifier, wide
from deckwatch_vision.fusion import FUSIONS
from deckwatch_vision.release import WHOLE_PICTURE, Release

IOUS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
VETOES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHARPNESS = tuple(round(float(v), 3) for v in np.exp(np.linspace(np.log(0.4), np.log(2.5), 23)))
# Share of the pictures without fish on which fish may be reported, with room to the 10 % promised.
MAX_FALSE_ALARMS = 0.08
# Candidates below the score threshold cost a crop each; they must earn it by this much log loss.
WORTH = 0.01


def choose_overlap(rows: Sequence[Heads], fish: DataSet, release: Release) -> Release:
    """The overlap of NMS with the best AP50 of the detector alone."""
    best, chosen = -1.0, release
    for overlap in IOUS:
        trial = replace(release, detector=replace(release.detector, iou_threshold=overlap))
        score = metrics.average_precision_50(hits(candidates(rows, wide(trial)), fish))
        if score > best:
            best, chosen = score, trial
    return chosen


def choose_veto(rows: Sequence[Rows], fish: DataSet, release: Release) -> Release:
    """How much the classifier's "no fish" lowers a score, by AP50; a tie goes to the lesser."""
    best, chosen = -1.0, release
    for veto in VETOES:
        trial = replace(release, fusion=replace(release.fusion, veto=veto))
        score = metrics.average_precision_50(hits(reported(rows, wide(trial)), fish))
        if score > best + 1e-4:
            best, chosen = score, trial
    return chosen


def choose_threshold(found: Sequence[Found], fish: DataSet) -> float:
    """The threshold of the best F1 that keeps false alarms low; two decimals."""
    rows = hits(list(found), fish)
    allowed = []
    for threshold in np.round(np.arange(0.05, 0.95, 0.01), 2):
        alarms, empty = metrics.false_alarms(rows, threshold)
        if alarms <= MAX_FALSE_ALARMS * empty:
            allowed.append(metrics.at_threshold(rows, float(threshold)))
    return max(allowed, key=lambda point: point.f1).threshold if allowed else 0.95


def choose_fusion(rows: Sequence[Rows], truth: Ints, release: Release) -> Release:
    """Method, whole-picture row, sharpness and candidate threshold of the least log loss."""
    threshold = release.fusion.score_threshold
    trials: list[tuple[float, Release]] = []
    for share, method, whole in itertools.product((1.0, 0.7, 0.4), FUSIONS, WHOLE_PICTURE):
        for sharpness in SHARPNESS:
            trial = replace(
                release,
                detector=replace(release.detector, candidate_threshold=round(threshold * share, 3)),
                fusion=replace(
                    release.fusion, method=method, whole_picture=whole, sharpness=sharpness
                ),
            )
            # A crop more for every picture ("always"), or for many faint candidates, has its price.
            price = WORTH * ((1.0 - share) / 0.3 + (whole == "always"))
            trials.append((metrics.log_loss(pictures(rows, trial), truth) + price, trial))
    return min(trials, key=lambda pair: pair[0])[1]


def pictures(rows: Sequence[Rows], release: Release) -> Floats:
    """The likelihoods of every picture, [N, C]."""
    return np.stack([row.fused(release).likelihoods for row in rows]).astype(np.float64)


def calibrate(
    release: Release,
    heads: Sequence[Heads],
    classifier: Net,
    box_logits: tuple[Floats, Ints],
    fish: DataSet,
    labels: Ints,
) -> tuple[Release, dict[str, Any]]:
    """The release with all numbers chosen, and what was found on the way.

    heads: of the held-back pictures; box_logits: the classifier on their true boxes, with the
    species of each; fish: the pictures with their fish boxes; labels: the species of each picture.
    """
    temperature = metrics.fit_temperature(*box_logits)
    release = replace(release, classifier=replace(release.classifier, temperature=temperature))
    release = choose_overlap(heads, fish, release)
    found = candidates(heads, wide(release))
    rows = run_classifier(classifier, heads, found, release)
    release = choose_veto(rows, fish, release)
    everything = reported(rows, wide(release))
    threshold = choose_threshold(everything, fish)
    release = replace(release, fusion=replace(release.fusion, score_threshold=threshold))
    release = choose_fusion(rows, labels, release)
    notes = {
        "pictures": len(rows),
        "boxes": len(box_logits[1]),
        "picture_log_loss": round(metrics.log_loss(pictures(rows, release), labels), 4),
        "f1": round(metrics.at_threshold(hits(everything, fish), threshold).f1, 4),
    }
    return release, notes
