"""From results to the labels that Camio is sent: the gateway's callbacks, and files of a run.

An image's label is there with the higher of two probabilities: the picture's likelihood of that
species, which knows the whole scene but shares 1 among all species, and that of the surest single
fish (its score times its likelihood), so that a picture of a shark and a tuna gets both labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import NO_FISH, Species, known

# Beyond this, digits are noise of the calibration.
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What is sent: label names by code that replace the release's, and from which probability.

    An empty name stands for no label. `polygons` adds the best fish's box.
    """

    names: Mapping[str, str]
    threshold: float
    polygons: bool


def image_labels(
    result: Result, rules: LabelRules, species: Iterable[Species], orientation: int = 1
) -> dict[str, dict[str, Any]]:
    """The labels of one image by name, the most probable first.

    Args:
        result: what was recognised.
        rules: names, threshold, polygons.
        species: those of the release that answered, for their Camio labels.
        orientation: the EXIF orientation by which the picture was turned upright; 1 for none.

    Returns:
        For instance {"yellowfin tuna": {"probability": 0.93, "polygon": []}}; of species under
        the same name the probabilities are added. Empty when nothing reaches the threshold.
    """
    names = _names(result, rules, species)
    found = []
    for name in dict.fromkeys(names.values()):
        codes = [code for code in names if names[code] == name]
        surest = max(result.fish, key=lambda fish: _probability(fish, codes), default=None)
        likelihood = sum(result.likelihoods.get(code, 0.0) for code in codes)
        if surest is not None:
            likelihood = max(likelihood, _probability(surest, codes))
        probability = round(min(1.0, max(0.0, likelihood)), _DIGITS)
        if probability >= rules.threshold:
            shown = rules.polygons and surest is not None and surest.label in codes
            polygon = _polygon(surest, result, orientation) if shown and surest else []
            found.append((name, {"probability": probability, "polygon": polygon}))
    return dict(sorted(found, key=lambda one: -float(str(one[1]["probability"]))))


def merged(found: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """The labels of images that share a timestamp: each with its higher probability."""
    entry: dict[str, Mapping[str, Any]] = {}
    for labels in found:
        for name, one in labels.items():
            if name not in entry or one["probability"] > entry[name]["probability"]:
                entry[name] = one
    return entry


def answer(per_image: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> dict[str, Any]:
    """The callback's body from timestamps and labels, in the order of the event's images."""
    images: dict[str, list[Mapping[str, Mapping[str, Any]]]] = {}
    for timestamp, found in per_image:
        images.setdefault(timestamp, []).append(found)
    labels = {timestamp: merged(found) for timestamp, found in images.items()}
    return {"status": "success", "labels": labels}


def _names(result: Result, rules: LabelRules, species: Iterable[Species]) -> dict[str, str]:
    """Label names by code, for those codes that have one."""
    told = {one.code: one for one in species}
    names = {}
    # Results read back from other programs' files may know their fish's labels alone.
    for code in dict.fromkeys((*result.likelihoods, *(fish.label for fish in result.fish))):
        one = told.get(code) or known(code)
        # A class that nobody described is called by its code.
        given = code.lower() if one.common_name == code else one.camio_label
        name = rules.names.get(code, given)
        if name and code != NO_FISH:
            names[code] = name
    return names


def _probability(fish: Fish, codes: Iterable[str]) -> float:
    """That `fish` is there, and one of `codes`."""
    likelihoods = fish.likelihoods or {fish.label: 1.0}
    return fish.score * sum(likelihoods.get(code, 0.0) for code in codes)


def _polygon(fish: Fish, result: Result, orientation: int) -> list[list[float]]:
    """The corners of a fish's box, counter-clockwise from the bottom left.

    Camio counts from (0, 0) at the bottom left of the original image to (1, 1) at its top right;
    a box is in pixels of the upright picture, from its top left.
    """
    x1, y1, x2, y2 = fish.box
    width, height = result.image.width, result.image.height
    corners = [
        _stored(x / width, y / height, orientation)
        for x, y in ((x1, y1), (x1, y2), (x2, y2), (x2, y1))
    ]
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    top, bottom = min(y for _, y in corners), max(y for _, y in corners)
    ring = ((left, 1 - bottom), (right, 1 - bottom), (right, 1 - top), (left, 1 - top))
    return [[round(min(1.0, max(0.0, edge)), _DIGITS) for edge in corner] for corner in ring]


def _stored(x: float, y: float, orientation: int) -> tuple[float, float]:
    """Where a point of the upright picture lies in the stored one; fractions from the top left."""
    return {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (y, 1 - x),
        7: (1 - y, 1 - x),
        8: (1 - y, x),
    }[orientation]
