"""The answer for one picture: the JSON of `--json`, `/v1/classify` and JSONL files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deckwatch_vision.errors import ServerError
from deckwatch_vision.species import NO_FISH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Digits kept: float32 holds seven, and a hundredth of a pixel is finer than any detector.
_LIKELIHOOD_DIGITS, _SCORE_DIGITS, _BOX_DIGITS = 7, 6, 2


@dataclass(frozen=True, slots=True)
class Fish:
    """One fish: where, how sure, which species, and the likelihood of every class.

    `box` is x1 y1 x2 y2 in pixels of the upright picture, `score` the detector's after the
    classifier's veto, `label` the most likely class other than "no fish".
    """

    box: tuple[float, float, float, float]
    score: float
    label: str
    likelihoods: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "box": list(self.box),
            "score": self.score,
            "label": self.label,
            "likelihoods": dict(self.likelihoods),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Fish:
        """Read what `as_dict` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        x1, y1, x2, y2 = (float(edge) for edge in given["box"])
        return cls(
            (x1, y1, x2, y2),
            float(given["score"]),
            str(given["label"]),
            _numbers(given["likelihoods"]),
        )


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The picture: its name as given (None without one), upright size, SHA-256 of the file."""

    file: str | None
    width: int
    height: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ReleaseInfo:
    """The release that answered."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class Result:
    """The answer for one picture; `likelihoods` in label-set order, `fish` best first."""

    label: str
    likelihoods: dict[str, float]
    fish: tuple[Fish, ...]
    image: ImageInfo
    release: ReleaseInfo

    @classmethod
    def from_arrays(
        cls,
        likelihoods: NDArray[np.float32],
        boxes: NDArray[np.float32],
        scores: NDArray[np.float32],
        fish_likelihoods: NDArray[np.float32],
        size: Sequence[int] | NDArray[np.int32],
        labels: Sequence[str],
        release: ReleaseInfo,
        file: str | None = None,
        sha256: str | None = None,
    ) -> Result:
        """The result of the ensemble's tensors.

        Args:
            likelihoods: [C] of the picture.
            boxes: [F,4] pixels, best fish first.
            scores: [F].
            fish_likelihoods: [F,C].
            size: height, width of the upright picture.
            labels: the C codes, in the tensors' order.
            release: the release that answered.
            file: the picture's name as given.
            sha256: digest of the encoded picture.

        Raises:
            ServerError: the tensors do not fit each other or the labels.
        """
        count = len(scores)
        given = (likelihoods.shape, boxes.shape, fish_likelihoods.shape)
        if given != ((len(labels),), (count, 4), (count, len(labels))):
            raise ServerError(
                f"the answer's tensors do not fit {len(labels)} labels and {count} scores: "
                f"likelihoods {given[0]}, boxes {given[1]}, fish likelihoods {given[2]}. "
                "Use a client of the server's version"
            )
        picture = _likelihoods(likelihoods, labels)
        fish = tuple(
            _fish(box, score, _likelihoods(row, labels))
            for box, score, row in zip(boxes, scores, fish_likelihoods, strict=True)
        )
        height, width = (int(side) for side in size)
        image = ImageInfo(file, width, height, sha256)
        return cls(_best(picture), picture, fish, image, release)

    def ranked(self) -> list[tuple[str, float]]:
        """Codes and likelihoods, the most likely first; equals in label-set order."""
        return sorted(self.likelihoods.items(), key=lambda pair: -pair[1])

    def pairs(self) -> list[list[str | float]]:
        """`ranked` as --verbose prints it: [code, likelihood to five decimals]."""
        return [[code, round(likelihood, 5)] for code, likelihood in self.ranked()]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; `image.file` and `image.sha256` only where they are known."""
        image: dict[str, Any] = {"width": self.image.width, "height": self.image.height}
        if self.image.file is not None:
            image = {"file": self.image.file, **image}
        if self.image.sha256 is not None:
            image["sha256"] = self.image.sha256
        return {
            "label": self.label,
            "likelihoods": dict(self.likelihoods),
            "fish": [one.as_dict() for one in self.fish],
            "image": image,
            "release": {"name": self.release.name, "version": self.release.version},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Result:
        """Read what `as_dict` wrote.

        Keys it does not know are left aside, so that a client can read a newer server's answers.

        Raises:
            ServerError: it is not such an object; the message names what is wrong with it.
        """
        try:
            image, release = given["image"], given["release"]
            return cls(
                label=str(given["label"]),
                likelihoods=_numbers(given["likelihoods"]),
                fish=tuple(Fish.from_dict(one) for one in given["fish"]),
                image=ImageInfo(
                    image.get("file"),
                    int(image["width"]),
                    int(image["height"]),
                    image.get("sha256"),
                ),
                release=ReleaseInfo(str(release["name"]), int(release["version"])),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError(
                f"this is not a Deckwatch result ({type(error).__name__}: {error}). "
                "Check the server's address, and use a client of its version"
            ) from None


def _likelihoods(row: NDArray[np.float32], labels: Sequence[str]) -> dict[str, float]:
    rounded = (round(value, _LIKELIHOOD_DIGITS) for value in row.tolist())
    return dict(zip(labels, rounded, strict=True))


def _best(likelihoods: Mapping[str, float]) -> str:
    """The most likely code; of equals the first."""
    return max(likelihoods, key=lambda code: likelihoods[code])


def _fish(box: NDArray[np.float32], score: np.float32, likelihoods: dict[str, float]) -> Fish:
    # A fish that is reported is a fish: its label is the best of the other classes.
    species = {code: value for code, value in likelihoods.items() if code != NO_FISH}
    x1, y1, x2, y2 = (round(edge, _BOX_DIGITS) for edge in box.tolist())
    return Fish((x1, y1, x2, y2), round(float(score), _SCORE_DIGITS), _best(species), likelihoods)


def _numbers(given: Mapping[str, Any]) -> dict[str, float]:
    return {str(code): float(value) for code, value in given.items()}
