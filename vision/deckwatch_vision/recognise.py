"""The way of one picture, step by step; every entrance calls these same functions.

prepare -> (detector) -> find_fish -> make_crops -> (classifier) -> fuse -> assemble
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deckwatch_vision import boxes as boxes_
from deckwatch_vision.boxes import Letterbox
from deckwatch_vision.fusion import FUSIONS, Evidence, sharpened, softmax, vetoed
from deckwatch_vision.heads import decode_heads
from deckwatch_vision.images import MAX_BYTES, MAX_PIXELS, decode
from deckwatch_vision.result import ReleaseInfo, Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from deckwatch_vision.release import Release

    Floats = NDArray[np.float32]
    Pixels = NDArray[np.uint8]

_WHOLE_SCORE = -1.0  # marks the row of the whole picture; no detector gives a negative score


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decoded picture [H,W,3] and the detector's canvas [S,S,3]."""

    image: Pixels
    canvas: Pixels
    letterbox: Letterbox


@dataclass(frozen=True, slots=True)
class Fused:
    """The picture's likelihoods [C]; boxes [F,4], scores [F] and likelihoods [F,C] of its fish.

    Best fish first; all float32.
    """

    likelihoods: Floats
    boxes: Floats
    scores: Floats
    fish_likelihoods: Floats


def prepare(
    data: bytes | bytearray | memoryview,
    release: Release,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Prepared:
    """Decode a picture and fit it on the detector's canvas.

    Raises:
        ImageError: see `images.decode`.
    """
    image = decode(data, max_pixels=max_pixels, max_bytes=max_bytes)
    canvas, fit = boxes_.letterbox(image, release.detector.input_size)
    return Prepared(image, canvas, fit)


def find_fish(
    heads: Floats,
    picture: Prepared | tuple[Letterbox, int, int],
    release: Release,
) -> tuple[Floats, Floats]:
    """Candidates in one picture, from the detector's heads [A,5].

    Args:
        heads: raw heads of one canvas.
        picture: what `prepare` gave, or the letterbox with the picture's height and width.
        release: says how to read the heads, and the thresholds.

    Returns:
        Boxes [K,4] in pixels of the upright picture and scores [K], best first, K at most
        `max_fish`. Boxes under one pixel wide or high are left out.
    """
    spec = release.detector
    if isinstance(picture, Prepared):
        fit, (height, width) = picture.letterbox, picture.image.shape[:2]
    else:
        fit, height, width = picture
    on_canvas, scores = decode_heads(
        heads, spec.head, spec.input_size, spec.strides, spec.candidate_threshold
    )
    found = fit.to_image(on_canvas, height, width)
    # Clipping and this filter come first: a sliver or a NaN must not use up one of max_fish.
    large = (found[:, 2] - found[:, 0] >= 1) & (found[:, 3] - found[:, 1] >= 1)
    found, scores = found[large], scores[large]
    kept = boxes_.nms(found, scores, spec.iou_threshold, spec.max_fish)
    return found[kept], scores[kept]


def make_crops(
    image: Pixels, boxes: Floats, scores: Floats, release: Release
) -> tuple[Pixels, Floats, Floats]:
    """The classifier's rows: one crop for each candidate, then the whole picture where it counts.

    Returns:
        Crops [R,c,c,3], boxes [R,4], scores [R]; R is at least 1. The whole picture's row has the
        picture as its box and score -1; it is there where no candidate is, or always if the
        release's `whole_picture` says so.
    """
    size, context = release.classifier.input_size, release.classifier.context
    crops = [boxes_.crop(image, box, size, context) for box in boxes]
    if crops and release.fusion.whole_picture != "always":
        return np.stack(crops), boxes, scores
    height, width = image.shape[:2]
    crops.append(boxes_.whole(image, size))
    frame = np.array([[0, 0, width, height]], np.float32)
    return (
        np.stack(crops),
        np.concatenate((boxes, frame)),
        np.concatenate((scores, np.array([_WHOLE_SCORE], np.float32))),
    )


def fuse(logits: Floats, rows_boxes: Floats, rows_scores: Floats, release: Release) -> Fused:
    """Fish and picture likelihoods from the classifier's logits [R,C] of the rows of `make_crops`.

    A candidate stays a fish if its score, after the classifier's veto, reaches `score_threshold`.
    """
    spec, no_fish = release.fusion, release.labels.no_fish
    likelihoods = softmax(logits, release.classifier.temperature)
    candidate = rows_scores >= 0
    whole_rows = likelihoods[~candidate]
    fish = likelihoods[candidate]
    scores = vetoed(rows_scores[candidate].astype(np.float64), 1 - fish[:, no_fish], spec.veto)
    kept = scores >= spec.score_threshold
    evidence = Evidence(fish, scores, kept, whole_rows[0] if len(whole_rows) else None, no_fish)
    picture = sharpened(FUSIONS[spec.method](evidence), spec.sharpness)
    order = np.argsort(-scores[kept], kind="stable")
    return Fused(
        picture.astype(np.float32),
        rows_boxes[candidate][kept][order],
        scores[kept][order].astype(np.float32),
        fish[kept][order].astype(np.float32),
    )


def assemble(
    fused: Fused,
    size: Sequence[int] | NDArray[np.int32],
    release: Release,
    file: str | None = None,
    sha256: str | None = None,
) -> Result:
    """The result; `size` is height, width of the upright picture."""
    return Result.from_arrays(
        fused.likelihoods,
        fused.boxes,
        fused.scores,
        fused.fish_likelihoods,
        size,
        release.labels.codes,
        ReleaseInfo(release.name, release.version),
        file,
        sha256,
    )


def recognise(
    data: bytes | bytearray | memoryview,
    detector: Callable[[Pixels], Floats],
    classifier: Callable[[Pixels], Floats],
    release: Release,
    *,
    file: str | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Result:
    """All steps in this process.

    Args:
        data: the encoded picture.
        detector: canvas [1,S,S,3] uint8 to heads [1,A,5] float32.
        classifier: crops [R,c,c,3] uint8 to logits [R,C] float32.
        release: describes both nets.
        file: the picture's name, for the result.
        max_pixels: budget of width times height.
        max_bytes: budget of the encoded picture.

    Raises:
        ImageError: see `images.decode`.
    """
    import hashlib  # loads OpenSSL, which the Triton steps never need

    picture = prepare(data, release, max_pixels=max_pixels, max_bytes=max_bytes)
    heads = detector(picture.canvas[None])[0]
    found, scores = find_fish(heads, picture, release)
    crops, rows_boxes, rows_scores = make_crops(picture.image, found, scores, release)
    fused = fuse(classifier(crops), rows_boxes, rows_scores, release)
    digest = hashlib.sha256(data).hexdigest()
    return assemble(fused, picture.image.shape[:2], release, file, digest)
