"""Training and measuring species classifiers: the task for the loop, logits and calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from deckwatch_training.classifiers import Classifier
from deckwatch_training.config import TrainConfig
from deckwatch_training.crops import Example, cut, examples, random_cut
from deckwatch_training.dataset import DataSet
from deckwatch_training.metrics import log_loss, macro_recall
from deckwatch_vision.fusion import softmax

Array = NDArray[np.float64]


def codes(config: TrainConfig) -> tuple[str, ...]:
    """The species codes in the order of the logits: alphabetical, without regard to case."""
    return tuple(sorted(set(config.data.species.values()), key=str.casefold))


class Crops(Dataset[tuple[Tensor, int]]):
    """Random crops of one epoch; item i depends on (seed, epoch, i) alone."""

    def __init__(self, rows: list[Example], config: TrainConfig, epoch: int):
        self.rows, self.config, self.epoch = rows, config, epoch
        self.codes = codes(config)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng((self.config.run.seed, self.epoch, index))
        pixels = random_cut(self.rows[index], self.config, rng)
        return torch.from_numpy(pixels), self.codes.index(self.rows[index].code)


class ClassificationTask:
    """What the loop trains: a classifier on crops, drawn so that rare species come up more often.

    Within an epoch a species is drawn with the square root of its share: enough to learn the rare
    ones, without showing the few rays of the demo data fifteen times each.
    """

    def __init__(self, net: Classifier, config: TrainConfig, train: DataSet, held_back: DataSet):
        self.net, self.config = net, config
        self.rows = examples(train, config.data.species)
        self.held_back = examples(held_back, config.data.species, boxes_only=True)
        count = Counter(row.code for row in self.rows)
        weights = np.array([count[row.code] ** -0.5 for row in self.rows])
        self.weights = weights / weights.sum()
        for picture in train.pictures:
            picture.pixels()

    def steps(self) -> int:
        """As many batches as the rows fill."""
        return max(1, len(self.rows) // self.config.run.batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch's draw."""
        run = self.config.run
        rng = np.random.default_rng((run.seed, epoch))
        chosen = rng.choice(len(self.rows), self.steps() * run.batch, p=self.weights)
        rows = [self.rows[i] for i in chosen]
        loader = DataLoader(
            Crops(rows, self.config, epoch),
            batch_size=run.batch,
            num_workers=run.workers,
            generator=torch.Generator().manual_seed(run.seed),
        )
        return iter(loader)

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Cross-entropy."""
        crops, target = batch
        smoothing = self.config.run.label_smoothing
        return {"loss": F.cross_entropy(self.net(crops), target, label_smoothing=smoothing)}

    def validate(self, net: Classifier) -> dict[str, float]:
        """Macro recall, accuracy and log loss on the true boxes of the held-back pictures."""
        truth = targets(self.held_back, self.config)
        found = softmax(logits(net, self.held_back, self.config), 1.0)
        right = found.argmax(1) == truth
        return {
            "macro_recall": round(macro_recall(found, truth), 4),
            "accuracy": round(float(right.mean()), 4),
            "log_loss": round(log_loss(found, truth), 4),
        }


@torch.inference_mode()
def logits(net: nn.Module, rows: list[Example], config: TrainConfig, batch: int = 64) -> Array:
    """The net's answer to each example as production would cut it; float64 [N, C]."""
    net.eval()
    size, context = config.model.input_size, config.model.context
    found = []
    for i in range(0, len(rows), batch):
        crops = np.stack([cut(row, size, context) for row in rows[i : i + batch]])
        found.append(net(torch.from_numpy(crops)).numpy())
    return np.asarray(np.concatenate(found), np.float64)


def targets(rows: list[Example], config: TrainConfig) -> NDArray[np.int64]:
    """The index of each example's species."""
    order = codes(config)
    return np.array([order.index(row.code) for row in rows], np.int64)
