"""A training run from its configuration: the data, the net, the task, the loop."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from deckwatch_training import catalogue, checkpoints, classifiers, detectors, loop, weights
from deckwatch_training.classification import ClassificationTask, codes
from deckwatch_training.classifiers import Classifier
from deckwatch_training.config import TrainConfig
from deckwatch_training.dataset import DataSet, hold_back, read_coco
from deckwatch_training.detection import DetectionTask
from deckwatch_training.detectors import Detector
from deckwatch_training.distributed import Group, joined
from deckwatch_training.sampling import WeightsFile, kind
from deckwatch_training.tracking import Tracker, address
from deckwatch_training.training_report import Report
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import sha256_file


def training_data(config: TrainConfig) -> tuple[DataSet, DataSet]:
    """(what is trained on, what is held back for calibration), with all boxes.

    Held back are the pictures of the split "calibrate" where the data set has one, else whole
    groups drawn from the training pictures.

    Raises:
        UsageError: the data set is missing or no data set, has a label that `data.species` does not
            map, or a picture has no row in `data.weights`.
    """
    data = read_coco(config.data.train, split="train")
    calibrate = read_coco(config.data.train, split="calibrate", only=True)
    if len(calibrate):
        train_set, held_back = data, calibrate
    else:
        train_set, held_back = hold_back(data, config.data.held_back, config.data.split_seed)
    _check_labels(config, data, calibrate)
    if file := weights_file(config):
        train_set = file.apply(train_set)
    return train_set, held_back


def _check_labels(config: TrainConfig, *sets: DataSet) -> None:
    found = {name for data in sets for name in data.counts()}
    found |= {p.label for data in sets for p in data.pictures if p.label}
    unknown = sorted(found - set(config.data.species))
    if unknown:
        raise UsageError(
            f"{config.data.train} has the label {unknown[0]!r}, which data.species does not map "
            f"(it maps {', '.join(config.data.species)}). Add it with its species code; not mapped "
            f"are: {', '.join(unknown)}."
        )


def weights_file(config: TrainConfig) -> WeightsFile | None:
    """The weights of the training pictures, None where the configuration names no file."""
    if not config.data.weights:
        if kind(config) == "weights":
            raise UsageError("run.sampling is weights: give the file as data.weights.")
        return None
    return WeightsFile(config.data.weights, catalogue.read(config.data.train).root)


def build_detector(config: TrainConfig) -> Detector:
    """The detector of a configuration, with random weights."""
    return detectors.build(config.model.architecture, config.model.input_size)


def build_classifier(config: TrainConfig) -> Classifier:
    """The classifier of a configuration, with random weights."""
    return classifiers.build(config.model.architecture, len(codes(config)), config.model.input_size)


def digest(config: TrainConfig, train_set: DataSet, held_back: DataSet) -> str:
    """What identifies a run: its configuration, its pictures' facts, its starting weights.

    A checkpoint of another digest is not continued; the same files in another place are the same.
    """
    source = weights.source(config.model, config.task)
    parts: list[Any] = [
        config.identity(),
        train_set.digest(),
        held_back.digest(),
        sha256_file(source.file) if source.file else source.name,
    ]
    if config.data.weights:
        parts.append(sha256_file(config.data.weights))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def finished(config: TrainConfig, folder: Path) -> bool:
    """Whether `folder` holds this very run, trained to its end."""
    if not (folder / checkpoints.LAST).exists():
        return False
    state = weights.read_checkpoint(folder / checkpoints.LAST)
    if state.get("digest") != digest(config, *training_data(config)):
        return False
    settled = state.get("settled", False) or not config.run.patience
    return settled and (state.get("stopped", False) or state["epoch"] >= config.run.epochs)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    fresh: bool = False,
    track: bool = True,
    report: Report | None = None,
) -> Detector | Classifier:
    """Run a configuration to its end, continuing what `folder` already holds.

    fresh: start anew instead. track: tell MLflow (see `tracking.address`). report: who hears of
    every epoch, instead of the folder's files and MLflow. Under torchrun all processes train
    together, and the first writes.

    Raises:
        UsageError: something in the configuration or its files is wrong, or `folder` holds another
            run; the message says what to do.
    """
    run = config.run
    with joined(run.batch, run.accumulate, run.device) as group:
        if run.threads:
            # Before anything is computed: sums in another order are not the same to the last bit.
            torch.set_num_threads(run.threads)
        torch.manual_seed(run.seed)  # layers without given weights start from random numbers
        train_set, held_back = training_data(config)
        if run.patience and not len(held_back):
            raise UsageError(
                "run.patience needs held-back pictures to validate on, and there are none. Set "
                "data.held_back over 0, give more groups, or set run.patience to 0."
            )
        name = digest(config, train_set, held_back)
        task = build_task(config, train_set, held_back, group)
        uri = address(folder.resolve().parent) if track and group.first else None
        report = report or Report(folder, config, Tracker(folder, uri) if uri else None)
        return _reported(task, config, folder, name, fresh, group, report)


def _reported(
    task: Any,
    config: TrainConfig,
    folder: Path,
    name: str,
    fresh: bool,
    group: Group,
    report: Report,
) -> Detector | Classifier:
    """The loop, with the report told how it went."""
    try:
        net: Detector | Classifier = loop.train(
            task, config, folder, digest=name, fresh=fresh, group=group, report=report
        )
        return net
    except KeyboardInterrupt:
        report.fail("KILLED")
        raise
    except BaseException:
        report.fail("FAILED")
        raise


def build_task(
    config: TrainConfig, train_set: DataSet, held_back: DataSet, group: Group | None = None
) -> DetectionTask | ClassificationTask:
    """The net with its starting weights, and what it is taught.

    Raises:
        UsageError: the architecture is unknown, or the weights do not fit it.
    """
    model = config.model
    chosen = weights.source(model, config.task)
    if config.task == "detector":
        detector = build_detector(config)
        weights.start(detector, chosen, model.input_size)
        fish = config.data.fish
        return DetectionTask(
            detector, config, train_set.select(fish), held_back.select(fish), group=group
        )
    classifier = build_classifier(config)
    weights.start(classifier, chosen, model.input_size, codes(config))
    file = weights_file(config)
    return ClassificationTask(classifier, config, train_set, held_back, group=group, weights=file)
