"""A training run from its configuration: the data, the net, the task, the loop."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from deckwatch_training import detectors, loop
from deckwatch_training.config import TrainConfig
from deckwatch_training.dataset import DataSet, hold_back, read_coco
from deckwatch_training.detection import DetectionTask


def training_data(config: TrainConfig) -> tuple[DataSet, DataSet]:
    """(what is trained on, what is held back for calibration), with all boxes."""
    data = read_coco(config.data.train)
    return hold_back(data, config.data.held_back, config.data.split_seed)


def build_net(config: TrainConfig) -> nn.Module:
    """The net of a configuration, with random weights."""
    if config.task == "detector":
        return detectors.build(config.model.architecture, config.model.input_size)
    from deckwatch_training import classifiers

    return classifiers.build(config.model.architecture, len(set(config.data.species.values())))


def train(config: TrainConfig, folder: Path, *, fresh: bool = False) -> nn.Module:
    """Run a configuration to its end, continuing what `folder` already holds."""
    net = build_net(config)
    if isinstance(config.model.weights, Path):
        net.load_weights(config.model.weights)  # type: ignore[operator]
    train_set, held_back = training_data(config)
    task: loop.Task
    if config.task == "detector":
        fish = config.data.fish
        task = DetectionTask(net, config, train_set.select(fish), held_back.select(fish))  # type: ignore[arg-type]
    else:
        from deckwatch_training.classification import ClassificationTask

        task = ClassificationTask(net, config, train_set, held_back)
    return loop.train(task, config, folder, fresh=fresh)
