"""A training run from its configuration: the data, the net, the task, the loop."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from deckwatch_training import classifiers, detectors, loop
from deckwatch_training.classification import ClassificationTask, codes
from deckwatch_training.classifiers import Classifier
from deckwatch_training.config import TrainConfig
from deckwatch_training.dataset import DataSet, hold_back, read_coco
from deckwatch_training.detection import DetectionTask
from deckwatch_training.detectors import Detector
from deckwatch_vision.release import sha256_file


def training_data(config: TrainConfig) -> tuple[DataSet, DataSet]:
    """(what is trained on, what is held back for calibration), with all boxes.

    Held back are the pictures of the split "calibrate" where the data set has one, else whole
    groups drawn from the training pictures.
    """
    data = read_coco(config.data.train, split="train")
    calibrate = read_coco(config.data.train, split="calibrate", only=True)
    if len(calibrate):
        return data, calibrate
    return hold_back(data, config.data.held_back, config.data.split_seed)


def build_detector(config: TrainConfig) -> Detector:
    """The detector of a configuration, with random weights."""
    return detectors.build(config.model.architecture, config.model.input_size)


def build_classifier(config: TrainConfig) -> Classifier:
    """The classifier of a configuration, with random weights."""
    return classifiers.build(config.model.architecture, len(codes(config)))


def digest(config: TrainConfig, train_set: DataSet, held_back: DataSet) -> str:
    """What identifies a run: its configuration, its pictures' facts, its starting weights.

    A checkpoint of another digest is not continued; the same files in another place are the same.
    """
    weights = config.model.weights
    parts = (
        config.identity(),
        train_set.digest(),
        held_back.digest(),
        sha256_file(weights) if isinstance(weights, Path) else weights,
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def train(config: TrainConfig, folder: Path, *, fresh: bool = False) -> Detector | Classifier:
    """Run a configuration to its end, continuing what `folder` already holds."""
    torch.manual_seed(config.run.seed)  # layers without given weights start from random numbers
    train_set, held_back = training_data(config)
    name = digest(config, train_set, held_back)
    weights = config.model.weights
    if config.task == "detector":
        detector = build_detector(config)
        if isinstance(weights, Path):
            detector.load_weights(weights)
        fish = config.data.fish
        task = DetectionTask(detector, config, train_set.select(fish), held_back.select(fish))
        return loop.train(task, config, folder, digest=name, fresh=fresh)
    classifier = build_classifier(config)
    if isinstance(weights, Path):
        classifier.load_weights(weights)
    crops = ClassificationTask(classifier, config, train_set, held_back)
    return loop.train(crops, config, folder, digest=name, fresh=fresh)
