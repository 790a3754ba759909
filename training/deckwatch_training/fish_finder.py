"""Fish in a picture, by a release or by a detector that was only trained: the best one first.

Finders are sent to workers; each opens its nets there when it sees its first picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deckwatch_serving.net import Net, choose_runtime, open_net
from deckwatch_serving.repository import find_repository, open_release
from deckwatch_vision.boxes import letterbox, nms
from deckwatch_vision.errors import ReleaseNotFound, UsageError
from deckwatch_vision.heads import decode_heads
from deckwatch_vision.recognise import assemble, find_fish, fuse, make_crops
from deckwatch_vision.release import Release, sha256_file

if TYPE_CHECKING:
    from deckwatch_training.config import TrainConfig
    from deckwatch_training.detectors import Detector

Pixels = NDArray[np.uint8]
# Where a run measured no threshold of its own.
THRESHOLD = 0.3


@dataclass(frozen=True, slots=True)
class Found:
    """A fish: x1 y1 x2 y2 in pixels of the upright picture, and how sure it is one.

    label and likelihood: of the likeliest species; None where no classifier looked.
    """

    box: tuple[float, float, float, float]
    score: float
    label: str | None = None
    likelihood: float | None = None


class Finder(Protocol):
    """Finds fish; picklable."""

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the answers, as JSON can hold it."""

    @property
    def context(self) -> float:
        """Side of the crops that its classifier is used to, over the longer side of a box."""

    def __call__(self, pixels: Pixels) -> list[Found]:
        """The fish on a picture uint8 [H, W, 3], best score first."""


class _Sendable:
    """Leaves behind what it opened when it is sent to another process."""

    def __getstate__(self) -> dict[str, Any]:
        opened = {
            name
            for name in self.__dict__
            if isinstance(getattr(type(self), name, 0), cached_property)
        }
        return {name: value for name, value in self.__dict__.items() if name not in opened}


@dataclass
class ByRelease(_Sendable):
    """By a release: its detector, weighed by what its classifier says of every candidate."""

    repository: Path
    release: Release
    threads: int = 1

    @property
    def identity(self) -> dict[str, Any]:
        """The release and the digests of its nets."""
        release = self.release
        files = [release.files[each.file][:16] for each in (release.detector, release.classifier)]
        return {"model": f"release {release.name} {release.version}", "nets": files}

    @property
    def context(self) -> float:
        """Of the release's classifier."""
        return self.release.classifier.context

    @cached_property
    def nets(self) -> tuple[Net, Net]:
        """Detector and classifier."""
        runtime, precision = choose_runtime(self.release)
        detector, classifier = (
            open_net(
                self.repository / each.file,
                threads=self.threads,
                runtime=runtime,
                precision=precision,
            )
            for each in (self.release.detector, self.release.classifier)
        )
        return detector, classifier

    def __call__(self, pixels: Pixels) -> list[Found]:
        """The fish that the release would report, in its order."""
        release, (detector, classifier) = self.release, self.nets
        canvas, fit = letterbox(pixels, release.detector.input_size)
        height, width = pixels.shape[:2]
        heads = detector(canvas[None])[0]
        boxes, scores = find_fish(heads, (fit, height, width), release)
        crops, row_boxes, row_scores = make_crops(pixels, boxes, scores, release)
        fused = fuse(classifier(crops), row_boxes, row_scores, release)
        return [
            Found(_edges(fish.box), fish.score, fish.label, fish.likelihoods[fish.label])
            for fish in assemble(fused, (height, width), release).fish
        ]


@dataclass
class ByRun(_Sendable):
    """By a detector from the folder of its training run."""

    folder: Path
    config: TrainConfig
    threshold: float
    digest: str
    threads: int = 1
    context: float = field(default=1.3)

    @property
    def identity(self) -> dict[str, Any]:
        """The run's weights and threshold."""
        return {"model": f"run {self.config.name}", "nets": [self.digest, self.threshold]}

    @cached_property
    def net(self) -> Detector:
        """The averaged weights at the end of the run."""
        import torch

        from deckwatch_training import loop, runs

        torch.set_num_threads(self.threads)
        return loop.load_net(runs.build_detector(self.config), self.folder)

    def __call__(self, pixels: Pixels) -> list[Found]:
        """The fish over the threshold at which the run's F1 was best."""
        import torch

        from deckwatch_training.detection import MAX_BOXES, NMS_IOU

        size, net = self.config.model.input_size, self.net
        canvas, fit = letterbox(pixels, size)
        with torch.inference_mode():
            heads = net(torch.from_numpy(canvas)[None])[0].numpy()
        boxes, scores = decode_heads(heads, net.head, size, net.strides, self.threshold)
        keep = nms(boxes, scores, NMS_IOU, MAX_BOXES)
        found = fit.to_image(boxes[keep], *pixels.shape[:2])
        return [
            Found(_edges(box), float(score))
            for box, score in zip(found, scores[keep], strict=True)
            if min(box[2] - box[0], box[3] - box[1]) >= 1
        ]


def find(model: Path | None, threads: int = 1) -> Finder:
    """The finder of a model repository, a detector's run folder, or (None) the live release.

    Raises:
        ReleaseNotFound, ReleaseCorrupt: there is no release, or its files are damaged.
        UsageError: the run is none of a detector.
    """
    if model is not None and (model / "last.pt").exists():
        return _by_run(model, threads)
    try:
        repository = find_repository(model)
    except ReleaseNotFound as error:
        if model is None:
            raise
        raise ReleaseNotFound(
            f"--model {model} is neither a model repository (deckwatch/<version>/release.json) nor "
            "the folder of a trained detector (last.pt). Give one of these, or leave it out to use "
            "the live release."
        ) from error
    return ByRelease(repository, open_release(repository), threads)


def _by_run(folder: Path, threads: int) -> ByRun:
    import torch

    from deckwatch_training.config import TrainConfig, checked

    last = folder / "last.pt"
    state = torch.load(last, map_location="cpu", weights_only=True)
    config = checked(TrainConfig, state["config"], last)
    if config.task != "detector":
        raise UsageError(f"{folder} is a run of a {config.task}. Give the run of a detector.")
    return ByRun(folder, config, _threshold(folder), sha256_file(last)[:16], threads)


def _threshold(folder: Path) -> float:
    """Where F1 was best at the last validation."""
    log = folder / "log.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return next(
        (float(row["threshold"]) for row in reversed(rows) if "threshold" in row), THRESHOLD
    )


def _edges(box: Iterable[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(float(v), 2) for v in box)
    return x1, y1, x2, y2
