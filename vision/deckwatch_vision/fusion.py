"""From the classifier's logits to fish and to the likelihoods of the whole picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one picture before its likelihoods are made. C classes, K candidates.

    `likelihoods` [K,C] are the classifier's for each candidate, `scores` [K] the detector's after
    the classifier's veto, `kept` [K] marks those reported as fish; `whole` [C] are the classifier's
    likelihoods of the whole picture where that row was computed (always where K = 0).
    """

    likelihoods: Floats
    scores: Floats
    kept: NDArray[np.bool_]
    whole: Floats | None
    no_fish: int


def softmax(logits: NDArray[np.float32] | NDArray[np.float64], temperature: float) -> Floats:
    """Calibrated likelihoods [R,C] of logits [R,C] (temperature scaling, arXiv 1706.04599)."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True))


def vetoed(scores: Floats, fishness: Floats, veto: float) -> Floats:
    """The detector's scores [K] after the classifier's word on "no fish".

    The weighted geometric mean of the score alone and of score times fishness (1 - p(no fish)):
    veto 0 leaves the score, veto 1 multiplies by the fishness.
    """
    return np.asarray(scores * np.maximum(fishness, 0.0) ** veto)


def sharpened(likelihoods: Floats, sharpness: float) -> Floats:
    """Raise likelihoods [C] to `sharpness` and normalise: above 1 surer, below 1 more doubtful."""
    # Relative to the largest, so that a high power cannot bring all of them to zero.
    powered = (likelihoods / likelihoods.max()) ** sharpness
    return np.asarray(powered / powered.sum())


def noisy_or(evidence: Evidence) -> Floats:
    """Each class by the chance that at least one candidate is of it.

    "No fish" has the chance that none is a fish; then normalised, as a picture has one label.
    """
    candidates = _presence(evidence)
    if candidates is None:
        return _whole(evidence)
    picture = 1 - np.prod(1 - candidates, axis=0)
    picture[evidence.no_fish] = np.prod(candidates[:, evidence.no_fish])
    return _with_whole(picture / picture.sum(), evidence)


def strongest(evidence: Evidence) -> Floats:
    """The candidate of the highest score speaks for the picture."""
    candidates = _presence(evidence)
    if candidates is None:
        return _whole(evidence)
    return _with_whole(candidates[np.argmax(evidence.scores)], evidence)


def mean(evidence: Evidence) -> Floats:
    """The mean over the candidates, each weighted by its score."""
    candidates = _presence(evidence)
    if candidates is None:
        return _whole(evidence)
    weights = evidence.scores + 1e-9  # all scores may be zero
    return _with_whole(weights @ candidates / weights.sum(), evidence)


FUSIONS: dict[str, Callable[[Evidence], Floats]] = {
    "noisy_or": noisy_or,
    "max": strongest,
    "mean": mean,
}
"""Methods by the name a release gives: Evidence to picture likelihoods [C] that sum to one."""


def _presence(evidence: Evidence) -> Floats | None:
    """Likelihoods [K,C] of what stands at each candidate; None where there is no candidate.

    The detector's doubt goes to "no fish", so that each row sums to one.
    """
    if not len(evidence.scores):
        return None
    presence = evidence.likelihoods * evidence.scores[:, None]
    presence[:, evidence.no_fish] += 1 - evidence.scores
    return presence


def _whole(evidence: Evidence) -> Floats:
    if evidence.whole is None:
        raise ValueError("neither candidates nor a whole-picture row: pass at least one row")
    return evidence.whole


def _with_whole(picture: Floats, evidence: Evidence) -> Floats:
    """The mean of the candidates' word and the whole picture's, where that row was computed."""
    return picture if evidence.whole is None else (picture + evidence.whole) / 2
