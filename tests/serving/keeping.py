"""Answers and pictures for the tests of keeping: every seed another scene."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import cv2
import numpy as np

from deckwatch_serving.keep.record import Kept, Origin
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.likeness import perceptual_hash, thumbnail
from deckwatch_vision.result import Fish, ImageInfo, ReleaseInfo, Result

CODES = ("NoF", "OTHER", "SHARK", "RAY")


def picture(seed: int, *, quality: int = 80, night: bool = False) -> bytes:
    """A JPEG of 128 x 96."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    pixels = np.asarray(cv2.resize(small, (128, 96), interpolation=cv2.INTER_CUBIC))
    return encode_jpeg(np.asarray(pixels // 8 if night else pixels, np.uint8), quality)


def likelihoods(**given: float) -> dict[str, float]:
    """Those given, the rest shared by the others."""
    others = [code for code in CODES if code not in given]
    rest = (1 - sum(given.values())) / max(1, len(others))
    return {code: given.get(code, rest) for code in CODES}


def result(
    data: bytes, of: Mapping[str, float], *fish: tuple[float, Mapping[str, float]]
) -> Result:
    """An answer; `fish` are scores and likelihoods."""
    found = tuple(
        Fish(
            (10.0 + 20 * place, 20.0, 60.0 + 20 * place, 70.0), score,
            max((code for code in each if code != "NoF"), key=lambda code: each[code]), dict(each),
        )
        for place, (score, each) in enumerate(fish)
    )  # fmt: skip
    sha256 = hashlib.sha256(data).hexdigest()
    label = max(of, key=lambda code: of[code])
    image = ImageInfo(None, 128, 96, sha256)
    return Result(label, dict(of), found, image, ReleaseInfo("tiny", 3))


def sure(data: bytes) -> Result:
    """An answer that needs nobody's second look."""
    of = likelihoods(OTHER=0.97)
    return result(data, of, (0.95, of))


def unsure(data: bytes) -> Result:
    of = likelihoods(OTHER=0.5, NoF=0.45)
    return result(data, of, (0.9, of))


def shark(data: bytes) -> Result:
    of = likelihoods(SHARK=0.9)
    return result(data, of, (0.95, of))


def kept(seed: int, *, score: float = 0.5, origin: Origin | None = None) -> tuple[Kept, bytes]:
    data = picture(seed)
    answer = unsure(data)
    likeness = perceptual_hash(thumbnail(data))
    record = Kept(
        sha256=str(answer.image.sha256), format="jpeg", size=len(data), score=score,
        reasons={"unsure": 0.95}, origin=origin or Origin(), night=False, likeness=likeness,
        kept_at=f"2026-01-01T00:00:{seed % 60:02d}+00:00", result=answer,
    )  # fmt: skip
    return record, data
