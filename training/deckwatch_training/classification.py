"""Training and measuring species classifiers: the task for the loop, logits and calibration."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from deckwatch_training import devices, sampling
from deckwatch_training.classifiers import Classifier
from deckwatch_training.config import TrainConfig
from deckwatch_training.crops import Example, cut, examples, random_cut
from deckwatch_training.dataset import DataSet
from deckwatch_training.distributed import Group
from deckwatch_training.metrics import log_loss, macro_recall
from deckwatch_training.pixels import CACHE
from deckwatch_training.sampling import Seen, WeightsFile
from deckwatch_vision.errors import UsageError
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

    Unless `run.sampling` says otherwise a species is drawn with the square root of its share:
    enough to learn the rare ones, without showing the few rays of the demo data fifteen times each.
    """

    def __init__(
        self,
        net: Classifier,
        config: TrainConfig,
        train: DataSet,
        held_back: DataSet,
        *,
        group: Group | None = None,
        weights: WeightsFile | None = None,
    ):
        """Take the pictures; group: the processes that share the work; weights: of the rows.

        Raises:
            UsageError: there is nothing to learn from.
        """
        self.net, self.config, self.group = net, config, group or Group()
        self.rows = examples(train, config.data.species)
        self.held_back = examples(held_back, config.data.species, boxes_only=True)
        if not self.rows:
            raise UsageError(f"{config.data.train} has no training pictures. Check its splits.")
        seen = [Seen(row.code, row.picture.group, _weight(row, weights)) for row in self.rows]
        self.weights = sampling.weights(seen, sampling.kind(config))
        CACHE.fill((picture.path for picture in train.pictures), config.data.cache_mb)

    def steps(self) -> int:
        """As many batches as the rows fill."""
        return max(1, len(self.rows) // self.config.run.batch)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's share of the epoch's draw, from the step `start` on."""
        run, steps = self.config.run, self.steps()
        rng = np.random.default_rng((run.seed, epoch))
        chosen = sampling.draw(len(self.rows), steps * run.batch, self.weights, rng)
        rows = [self.rows[i] for i in chosen]
        loader = DataLoader(
            Crops(rows, self.config, epoch),
            batch_size=sampling.piece(run, self.group),
            sampler=sampling.mine(range(len(rows)), steps, run, self.group, start),
            num_workers=run.workers,
            pin_memory=torch.cuda.is_available() and run.device != "cpu",
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
        if not self.held_back:
            return {"macro_recall": 0.0}
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
    device = devices.of(net)
    size, context = config.model.input_size, config.model.context
    found = []
    for i in range(0, len(rows), batch):
        crops = np.stack([cut(row, size, context) for row in rows[i : i + batch]])
        found.append(net(torch.from_numpy(crops).to(device)).float().cpu().numpy())
    return np.asarray(np.concatenate(found), np.float64)


def targets(rows: list[Example], config: TrainConfig) -> NDArray[np.int64]:
    """The index of each example's species."""
    order = codes(config)
    return np.array([order.index(row.code) for row in rows], np.int64)


def _weight(row: Example, weights: WeightsFile | None) -> float:
    """The weight of an example: of its box, its label, or its picture."""
    if weights is None:
        return row.picture.weight
    if row.label is None:
        return weights.picture(row.picture)
    return weights.of(row.picture, row.label)
