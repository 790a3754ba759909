"""What a release answers on every picture of a data set, with the truth beside it.

One pass: each picture is decoded once, shown to both nets, and let go; what is kept is a few
kilobytes a picture, so that a set may be of any size. Scorecards are computed from these answers,
and those of several releases (the folds of a cross-validation) may be joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deckwatch_training.crops import picture_label
from deckwatch_training.dataset import DataSet, Picture
from deckwatch_training.detection import Found
from deckwatch_training.pipeline import BATCH, Net, classify, read_picture, wide
from deckwatch_vision.boxes import crop, letterbox
from deckwatch_vision.daylight import is_night
from deckwatch_vision.errors import ImageError, UsageError
from deckwatch_vision.fusion import softmax
from deckwatch_vision.recognise import Fused, find_fish
from deckwatch_vision.release import Release
from deckwatch_vision.species import NO_FISH

Floats = NDArray[np.float64]
# Shows progress: hands on what it is given.
Track = Callable[[Iterable[Picture]], Iterable[Picture]]


@dataclass(frozen=True)
class Answer:
    """One picture: the truth, and what was answered.

    code: the picture's species; names: the species of each of its boxes. found: the detector
    alone; curve: the fish of every score that the release would report if its threshold were 0;
    shipped: the answer as production gives it. likelihoods: [C] of the picture; of_boxes: [N, C],
    the classifier's on the true boxes. night: told by the data set, else by the picture's colours.
    """

    picture: Picture
    code: str
    names: tuple[str, ...]
    night: bool
    found: Found
    curve: Fused
    shipped: Fused
    of_boxes: Floats

    @property
    def likelihoods(self) -> Floats:
        """Of the picture, [C]."""
        return self.shipped.likelihoods.astype(np.float64)

    @property
    def fish(self) -> list[int]:
        """Which of the true boxes are fish."""
        return [i for i, name in enumerate(self.names) if name != NO_FISH]

    @property
    def boxed(self) -> bool:
        """Whether it is known where the fish are: a picture that only has a label tells nothing."""
        return bool(self.fish) or self.code == NO_FISH

    def truth(self) -> tuple[NDArray[np.float32], list[str]]:
        """The boxes [F, 4] of the fish and their species."""
        return self.picture.boxes[self.fish], [self.names[i] for i in self.fish]


@dataclass(frozen=True)
class Answers:
    """All answers of one release, the classes in the order of its outputs, and what went wrong."""

    rows: tuple[Answer, ...]
    codes: tuple[str, ...]
    failures: tuple[str, ...] = ()


def answer(
    detector: Net,
    classifier: Net,
    data: DataSet,
    species: Mapping[str, str],
    release: Release,
    track: Track = iter,
) -> Answers:
    """Ask a release about every picture; one that cannot be read is listed and left out.

    species: of each of the data set's own categories. Raises UsageError where a category has none.
    """
    check_categories(data, species)
    rows, failures = [], []
    for picture in track(data.pictures):
        try:
            pixels = read_picture(picture)
        except ImageError as error:
            failures.append(error.message)
            continue
        rows.append(_answer(detector, classifier, picture, pixels, species, release))
    return Answers(tuple(rows), release.labels.codes, tuple(failures))


def _answer(
    detector: Net,
    classifier: Net,
    picture: Picture,
    pixels: NDArray[np.uint8],
    species: Mapping[str, str],
    release: Release,
) -> Answer:
    canvas, fit = letterbox(pixels, release.detector.input_size)
    everything = wide(release)
    heads = detector(canvas[None])[0]
    found = Found(*find_fish(heads, (fit, picture.height, picture.width), everything))
    rows = classify(classifier, picture, pixels, found, release)
    night = is_night(pixels) if picture.night is None else picture.night
    return Answer(
        picture,
        picture_label(picture, dict(species)),
        tuple(species[name] for name in picture.names),
        bool(night),
        found,
        rows.fused(everything),
        rows.fused(release),
        _on_boxes(classifier, picture, pixels, release),
    )


def _on_boxes(
    classifier: Net, picture: Picture, pixels: NDArray[np.uint8], release: Release
) -> Floats:
    """The classifier's likelihoods on the true boxes, cut as in production: [N, C]."""
    size, context = release.classifier.input_size, release.classifier.context
    found = [np.zeros((0, len(release.labels)), np.float32)]
    for i in range(0, len(picture.boxes), BATCH):
        crops = [crop(pixels, box, size, context) for box in picture.boxes[i : i + BATCH]]
        found.append(classifier(np.stack(crops)))
    return softmax(np.concatenate(found), release.classifier.temperature)


def check_categories(data: DataSet, species: Mapping[str, str]) -> None:
    """Every category of the data set must be some species.

    Raises:
        UsageError: some are not; the message names them.
    """
    there = set(data.counts()) | {p.label for p in data.pictures if p.label}
    missing = sorted(there - species.keys())
    if missing:
        raise UsageError(
            f"The data set's categories {', '.join(missing)} are no species. Say which each is "
            "under data.species of the configuration, or import the data set with a label map."
        )


def unknown(data: DataSet, species: Mapping[str, str], codes: Iterable[str]) -> Counter[str]:
    """How many boxes, and pictures without boxes, are of a species that a release lacks."""
    known = set(codes)
    names: Counter[str] = data.counts()
    names.update(p.label for p in data.pictures if p.label and not len(p.boxes))
    found: Counter[Any] = Counter()
    for name, count in names.items():
        if species[name] not in known:
            found[species[name]] += count
    return found
