"""Training one fold and measuring it on its own vessels."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deckwatch_serving import progress
from deckwatch_training import answers, calibrate, loop, metrics, runs, scorecard
from deckwatch_training.answers import Answers
from deckwatch_training.classification import codes
from deckwatch_training.config import TrainConfig
from deckwatch_training.crops import examples, unboxed
from deckwatch_training.dataset import DataSet, Picture, read_coco
from deckwatch_training.detection import Found, hits, predict
from deckwatch_training.detectors import Detector
from deckwatch_training.metrics import Floats, Ints
from deckwatch_training.pipeline import Net, run_detector
from deckwatch_vision.fusion import softmax
from deckwatch_vision.release import ClassifierSpec, DetectorSpec, FusionSpec, Release
from deckwatch_vision.species import LabelSet, Species


@dataclass(frozen=True)
class Finding:
    """A detector alone: pictures with fish boxes only, boxes of every score, boxes reported."""

    fish: tuple[Picture, ...]
    curve: tuple[Found, ...]
    shipped: tuple[Found, ...]


@dataclass(frozen=True)
class Naming:
    """A classifier alone on true boxes: likelihoods [N, C], species [N], vessels."""

    found: Floats
    truth: Ints
    groups: tuple[str, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What was measured of a fold: the whole pipeline, or one of its nets.

    thresholds: the score that fish are reported from, as chosen in each fold.
    """

    vessels: tuple[str, ...]
    pictures: int
    thresholds: tuple[float, ...] = ()
    answers: Answers | None = None
    finding: Finding | None = None
    naming: Naming | None = None


def measure(configs: Mapping[str, TrainConfig], folder: Path) -> Result:
    """Train what is not trained yet into `folder` and measure it on the fold's valid pictures."""
    nets = {task: _trained(config, folder / task) for task, config in configs.items()}
    config = next(iter(configs.values()))
    data = read_coco(config.data.valid, split="valid", only=True)
    _, held_back = runs.training_data(config)
    vessels = tuple(sorted({picture.group for picture in data.pictures}))
    result = Result(vessels, len(data))
    if len(nets) == 2:
        return _pipeline(result, configs, nets, data, held_back)
    if "detector" in nets:
        detector = cast(Detector, nets["detector"])
        return _detector(result, detector, configs["detector"], data, held_back)
    return _classifier(result, nets["classifier"], configs["classifier"], data, held_back)


def _trained(config: TrainConfig, folder: Path) -> nn.Module:
    sys.stderr.write(f"{folder.parent.name}: {config.name}\n")
    if runs.finished(config, folder):
        build: Any = runs.build_detector if config.task == "detector" else runs.build_classifier
        net: nn.Module = loop.load_net(build(config), folder)
        return net
    # Folds are many short runs of one question: they stay out of MLflow.
    return runs.train(config, folder, track=False)


def as_net(module: nn.Module) -> Net:
    """A trained module as the pipeline calls a net: uint8 in, float32 out."""

    @torch.inference_mode()
    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = module(torch.from_numpy(batch)).float().numpy()
        return found

    module.eval()
    return run


def _pipeline(
    result: Result,
    configs: Mapping[str, TrainConfig],
    nets: Mapping[str, nn.Module],
    data: DataSet,
    held_back: DataSet,
) -> Result:
    """Both nets, calibrated as a release is: on the pictures held back from this fold's training.

    Without exporting: ONNX answers as torch does, which `export` proves for every release.
    """
    species = configs["detector"].data.species
    release = draft(configs, cast(Detector, nets["detector"]))
    detector, classifier = as_net(nets["detector"]), as_net(nets["classifier"])
    release, _ = calibrate.calibrate(
        release,
        run_detector(detector, held_back.pictures, release),
        classifier,
        scorecard.box_logits(classifier, examples(held_back, species, boxes_only=True), release),
        scorecard.fish_only(held_back, species),
        scorecard.picture_labels(held_back, species, release),
    )
    track = partial(progress.track, title="Measuring")
    found = answers.answer(detector, classifier, data, species, release, track)
    return replace(result, answers=found, thresholds=(release.fusion.score_threshold,))


def _detector(
    result: Result, net: Detector, config: TrainConfig, data: DataSet, held_back: DataSet
) -> Result:
    """The detector alone, at the threshold of the best F1 on what was held back."""
    species, fish, size = config.data.species, config.data.fish, config.model.input_size
    told = data.where(lambda p: not unboxed(p, species)).select(fish)
    known = held_back.where(lambda p: not unboxed(p, species)).select(fish)
    threshold = calibrate.NEUTRAL_THRESHOLD
    if any(len(picture.boxes) for picture in known.pictures):
        threshold = metrics.best_f1(hits(predict(net, known, size), known)).threshold
    curve = predict(net, told, size)
    shipped = [
        Found(f.boxes[f.scores >= threshold], f.scores[f.scores >= threshold]) for f in curve
    ]
    finding = Finding(tuple(told.pictures), tuple(curve), tuple(shipped))
    return replace(result, finding=finding, thresholds=(threshold,))


def _classifier(
    result: Result, net: nn.Module, config: TrainConfig, data: DataSet, held_back: DataSet
) -> Result:
    """The classifier alone, at the temperature that fits what was held back."""
    species, release = config.data.species, draft({"classifier": config}, None)
    run = as_net(net)
    kept = scorecard.box_logits(run, examples(held_back, species, boxes_only=True), release)
    rows = examples(data, species, boxes_only=True)
    logits, truth = scorecard.box_logits(run, rows, release)
    naming = Naming(
        softmax(logits, metrics.fit_temperature(*kept)),
        truth,
        tuple(row.picture.group for row in rows),
        release.labels.codes,
    )
    return replace(result, naming=naming)


def draft(configs: Mapping[str, TrainConfig], detector: Detector | None) -> Release:
    """A release of these nets that has no files and whose free numbers are neutral."""
    classifier = configs["classifier"]
    labels = LabelSet(
        tuple(Species(c, c, None, None, None, sensitive=False) for c in codes(classifier))
    )
    found = configs.get("detector")
    return Release(
        schema=1, name="fold", version=1, created="", labels=labels,
        detector=DetectorSpec(
            "", found.model.architecture if found else "",
            found.model.input_size if found else 0, detector.head if detector else "",
            detector.strides if detector else (), 0.1, 0.6, 48,
        ),
        classifier=ClassifierSpec(
            "", classifier.model.architecture, classifier.model.input_size,
            classifier.model.context, 1.0,
        ),
        fusion=FusionSpec("noisy_or", "no_fish", 0.0, 0.3, 1.0),
        files={}, training_data=(), runtime={}, scorecard={},
    )  # fmt: skip


def joined(results: Sequence[Result]) -> Result:
    """All folds as one: every vessel once, measured by nets that had not seen it."""
    first = results[0]
    everyone = tuple(vessel for result in results for vessel in result.vessels)
    whole = Result(
        everyone,
        sum(result.pictures for result in results),
        tuple(t for result in results for t in result.thresholds),
    )
    if first.answers:
        rows = [cast(Answers, result.answers) for result in results]
        return replace(
            whole,
            answers=Answers(
                tuple(row for each in rows for row in each.rows),
                first.answers.codes,
                tuple(failure for each in rows for failure in each.failures),
            ),
        )
    if first.finding:
        parts = [cast(Finding, result.finding) for result in results]
        return replace(
            whole,
            finding=Finding(
                tuple(p for part in parts for p in part.fish),
                tuple(f for part in parts for f in part.curve),
                tuple(f for part in parts for f in part.shipped),
            ),
        )
    named = [cast(Naming, result.naming) for result in results]
    return replace(
        whole,
        naming=Naming(
            np.concatenate([part.found for part in named]),
            np.concatenate([part.truth for part in named]),
            tuple(group for part in named for group in part.groups),
            named[0].codes,
        ),
    )
