"""Every free number of a release, chosen on held-back data that no net was trained on.

In this order: the classifier's temperature (log loss on true boxes); the overlap of NMS (AP50); the
classifier's veto (AP50); the score threshold (F1, among those that report fish on few enough of the
pictures without); last the fusion to picture likelihoods (log loss of the picture's label). What
the held-back pictures cannot tell (no fish, no boxes, too few of them) stays at its neutral value,
and the notes say so.
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
from deckwatch_vision.fusion import FUSIONS, sharpened
from deckwatch_vision.release import WHOLE_PICTURE, Release

IOUS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
VETOES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHARPNESS = tuple(round(float(v), 3) for v in np.exp(np.linspace(np.log(0.4), np.log(2.5), 23)))
# Share of the pictures without fish on which fish may be reported, with room to the 10 % promised.
MAX_FALSE_ALARMS = 0.08
# Where nothing tells better: what torchvision's and YOLOX's demos show boxes from.
NEUTRAL_THRESHOLD = 0.3
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
    """The threshold of the best F1 that keeps false alarms low; two decimals.

    Without any fish there is no F1: the neutral threshold then, or the least above it that keeps
    false alarms low.
    """
    rows = hits(list(found), fish)
    allowed = []
    for threshold in np.round(np.arange(0.05, 0.95, 0.01), 2):
        alarms, empty = metrics.false_alarms(rows, threshold)
        if alarms <= MAX_FALSE_ALARMS * empty:
            allowed.append(metrics.at_threshold(rows, float(threshold)))
    if not any(row.fish for row in rows):
        allowed = [point for point in allowed if point.threshold >= NEUTRAL_THRESHOLD][:1]
    return max(allowed, key=lambda point: point.f1).threshold if allowed else 0.95


def choose_fusion(rows: Sequence[Rows], truth: Ints, release: Release) -> Release:
    """Method, whole-picture row, sharpness and candidate threshold of the least log loss."""
    threshold = release.fusion.score_threshold
    trials: list[tuple[float, Release]] = []
    for share, method, whole in itertools.product((1.0, 0.7, 0.4), FUSIONS, WHOLE_PICTURE):
        trial = replace(
            release,
            detector=replace(release.detector, candidate_threshold=round(threshold * share, 3)),
            fusion=replace(release.fusion, method=method, whole_picture=whole, sharpness=1.0),
        )
        plain = pictures(rows, trial)
        # A crop more for every picture ("always"), or for many faint candidates, has its price.
        price = WORTH * ((1.0 - share) / 0.3 + (whole == "always"))
        for sharpness in SHARPNESS:
            found = np.array([sharpened(row, sharpness) for row in plain])
            loss = metrics.log_loss(found, truth) + metrics.prior(sharpness, len(truth)) + price
            fusion = replace(trial.fusion, sharpness=sharpness)
            trials.append((loss, replace(trial, fusion=fusion)))
    return min(trials, key=lambda pair: pair[0])[1]


def pictures(rows: Sequence[Rows], release: Release) -> Floats:
    """The likelihoods of every picture, [N, C]."""
    found = [row.fused(release).likelihoods for row in rows]
    return np.array(found, np.float64).reshape(-1, len(release.labels))


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
    if not len(heads):
        return release, _notes([], box_logits[1]) | {"neutral": ["everything: nothing held back"]}
    neutral = []
    if not len(box_logits[1]):
        neutral.append("temperature: no boxes held back")
    temperature = metrics.fit_temperature(*box_logits)
    release = replace(release, classifier=replace(release.classifier, temperature=temperature))
    # A picture with a label and no boxes has fish somewhere: it tells nothing about the detector.
    boxed = [
        i
        for i, (picture, label) in enumerate(zip(fish.pictures, labels, strict=True))
        if len(picture.boxes) or label == release.labels.no_fish
    ]
    known = DataSet([fish.pictures[i] for i in boxed])
    any_fish = any(len(picture.boxes) for picture in known.pictures)
    if any_fish:
        release = choose_overlap([heads[i] for i in boxed], known, release)
    else:
        neutral.append("overlap, veto: no boxes of fish held back")
    rows = run_classifier(classifier, heads, candidates(heads, wide(release)), release)
    told = [rows[i] for i in boxed]
    if any_fish:
        release = choose_veto(told, known, release)
    threshold = NEUTRAL_THRESHOLD
    everything = reported(told, wide(release))
    if boxed:
        threshold = choose_threshold(everything, known)
    release = replace(release, fusion=replace(release.fusion, score_threshold=threshold))
    release = choose_fusion(rows, labels, release)
    notes = _notes(rows, box_logits[1]) | {
        "picture_log_loss": round(metrics.log_loss(pictures(rows, release), labels), 4),
        "f1": round(metrics.at_threshold(hits(everything, known), threshold).f1, 4),
    }
    present = {release.labels[int(i)].code for i in (*labels, *box_logits[1])}
    lacking = [code for code in release.labels.codes if code not in present]
    notes |= {"classes_not_held_back": lacking} if lacking else {}
    return release, notes | ({"neutral": neutral} if neutral else {})


def _notes(rows: Sequence[Rows], boxes: Ints) -> dict[str, Any]:
    return {"pictures": len(rows), "boxes": len(boxes)}
