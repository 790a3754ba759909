"""From results to the labels that Camio is sent.

An image's label is there with the higher of two probabilities: the picture's likelihood of that
species, which knows the whole scene but shares 1 among all species, and that of the surest single
fish (its score times its likelihood), so that a picture of a shark and a tuna gets both labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from deckwatch_gateway.camio.event import EventImage
from deckwatch_gateway.lists import split_list
from deckwatch_vision.errors import ImageError
from deckwatch_vision.headers import read_header
from deckwatch_vision.result import Fish, Result
from deckwatch_vision.species import DEMO, NCFM, NO_FISH, Species

# Beyond this, digits are noise of the calibration.
_DIGITS = 4
_NAME_LENGTH = 100
# For a release published before its configuration carried its species.
_KNOWN = {one.code: one for labels in (DEMO, NCFM) for one in labels}


class _Settings(Protocol):
    @property
    def camio_labels(self) -> str: ...
    @property
    def camio_threshold(self) -> float: ...
    @property
    def camio_polygons(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What is sent: label names by code that replace the release's, and from which probability.

    An empty name stands for no label. `polygons` adds the best fish's box.
    """

    names: Mapping[str, str]
    threshold: float
    polygons: bool

    @classmethod
    def of(cls, settings: _Settings) -> LabelRules:
        """The rules in the gateway's settings."""
        return cls(
            parse_names(settings.camio_labels), settings.camio_threshold, settings.camio_polygons
        )


def parse_names(text: str) -> dict[str, str]:
    """Label names by species code, written `YFT=yellowfin tuna,SHARK=shark,OTHER=`.

    Raises:
        ValueError: it is not written so; the message names the part.
    """
    names: dict[str, str] = {}
    for part in split_list(text):
        code, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not code or len(name) > _NAME_LENGTH or not name.isprintable():
            raise ValueError(
                f"{part[:_NAME_LENGTH]!r} is not written CODE=name, for instance "
                "YFT=yellowfin tuna (CODE= alone for no label)"
            )
        if code in names:
            raise ValueError(f"{code!r} is given twice")
        if code == NO_FISH:
            raise ValueError(f"{NO_FISH} stands for no fish and is never a label")
        names[code] = name
    return names


def image_labels(
    result: Result,
    rules: LabelRules,
    species: Iterable[Species],
    image: EventImage | None = None,
) -> dict[str, dict[str, Any]]:
    """The labels of one image by name, the most probable first.

    Args:
        result: what was recognised.
        rules: names, threshold, polygons.
        species: those of the release that answered, for their Camio labels.
        image: the image itself, from which a polygon learns how its picture was turned.

    Returns:
        For instance {"yellowfin tuna": {"probability": 0.93, "polygon": []}}; of species under
        the same name the probabilities are added. Empty when nothing reaches the threshold.
    """
    names = _names(result, rules, species)
    found = []
    for name in dict.fromkeys(names.values()):
        codes = [code for code in names if names[code] == name]
        surest = max(result.fish, key=lambda fish: _probability(fish, codes), default=None)
        likelihood = sum(result.likelihoods[code] for code in codes)
        if surest is not None:
            likelihood = max(likelihood, _probability(surest, codes))
        probability = round(min(1.0, max(0.0, likelihood)), _DIGITS)
        if probability >= rules.threshold:
            shown = rules.polygons and surest is not None and surest.label in codes
            polygon = _polygon(surest, result, image) if shown and surest else []
            found.append((name, {"probability": probability, "polygon": polygon}))
    return dict(sorted(found, key=lambda one: -float(str(one[1]["probability"]))))


def answer(per_image: Sequence[tuple[str, Mapping[str, Mapping[str, Any]]]]) -> dict[str, Any]:
    """The callback's body from timestamps and labels, in the order of the event's images.

    Images of one timestamp share one entry: each label with its higher probability.
    """
    labels: dict[str, dict[str, Mapping[str, Any]]] = {}
    for timestamp, found in per_image:
        entry = labels.setdefault(timestamp, {})
        for name, one in found.items():
            if name not in entry or one["probability"] > entry[name]["probability"]:
                entry[name] = one
    return {"status": "success", "labels": labels}


def _names(result: Result, rules: LabelRules, species: Iterable[Species]) -> dict[str, str]:
    """Label names by code, for those codes that have one."""
    known = _KNOWN | {one.code: one for one in species}
    names = {}
    for code in result.likelihoods:
        given = known[code].camio_label if code in known else code.lower()
        name = rules.names.get(code, given)
        if name and code != NO_FISH:
            names[code] = name
    return names


def _probability(fish: Fish, codes: Iterable[str]) -> float:
    """That `fish` is there, and one of `codes`."""
    return fish.score * sum(fish.likelihoods[code] for code in codes)


def _polygon(fish: Fish, result: Result, image: EventImage | None) -> list[list[float]]:
    """The corners of a fish's box, counter-clockwise from the bottom left.

    Camio counts from (0, 0) at the bottom left of the original image to (1, 1) at its top right;
    a box is in pixels of the upright picture, from its top left.
    """
    x1, y1, x2, y2 = fish.box
    width, height = result.image.width, result.image.height
    corners = [
        _stored(x / width, y / height, _orientation(image))
        for x, y in ((x1, y1), (x1, y2), (x2, y2), (x2, y1))
    ]
    left, right = min(x for x, _ in corners), max(x for x, _ in corners)
    top, bottom = min(y for _, y in corners), max(y for _, y in corners)
    ring = ((left, 1 - bottom), (right, 1 - bottom), (right, 1 - top), (left, 1 - top))
    return [[round(min(1.0, max(0.0, edge)), _DIGITS) for edge in corner] for corner in ring]


def _orientation(image: EventImage | None) -> int:
    """The EXIF orientation that Camio's own pixels are not turned by; 1 where it sees upright."""
    if image is None:
        return 1
    try:
        header = read_header(image.picture)
    except ImageError:
        return 1
    height, width = header.upright_size
    # Of a picture turned by a quarter the event's size says whether Camio counts upright pixels.
    if image.size == (width, height) != (header.width, header.height):
        return 1
    return header.orientation


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
