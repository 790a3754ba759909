"""Training and measuring fish detectors: the task for the loop, predictions and metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from deckwatch_training import devices, sampling
from deckwatch_training.coco import ANY, Sheet, mean_of, precision_table
from deckwatch_training.config import TrainConfig
from deckwatch_training.crops import unboxed
from deckwatch_training.dataset import DataSet
from deckwatch_training.detectors import Detector
from deckwatch_training.distributed import Group
from deckwatch_training.metrics import Hits, best_f1
from deckwatch_training.pixels import CACHE
from deckwatch_training.views import ViewConfig, view
from deckwatch_vision.boxes import iou, letterbox, nms
from deckwatch_vision.errors import UsageError
from deckwatch_vision.heads import decode_heads

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]
# COCO's own limits for its average precision.
MIN_SCORE, MAX_BOXES = 0.01, 100
NMS_IOU = 0.6


@dataclass(frozen=True)
class Found:
    """What a detector found on one picture: boxes [K, 4] in its pixels, descending scores [K]."""

    boxes: Boxes
    scores: Scores


class Views(Dataset[tuple[Tensor, Tensor]]):
    """The random views of one epoch; item i depends on (seed, epoch, i) alone."""

    def __init__(self, data: DataSet, config: TrainConfig, epoch: int):
        self.data, self.seed, self.epoch = data, config.run.seed, epoch
        self.size = config.model.input_size
        plain = epoch >= config.run.epochs * (1 - config.views.plain_share)
        fields = ("scale", "flip", "light", "contrast", "colour", "hue")
        self.config = ViewConfig(
            mosaic=0.0 if plain else config.views.mosaic,
            **{name: getattr(config.views, name) for name in fields},
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        pictures = self.data.pictures
        others = [pictures[i] for i in rng.integers(0, len(pictures), 3)]
        canvas, boxes = view(pictures[index], others, self.size, self.config, rng)
        return torch.from_numpy(np.ascontiguousarray(canvas)), torch.from_numpy(boxes)


def collate(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, list[Tensor]]:
    """Canvases stacked, boxes as a list: every picture has its own number of fish."""
    return torch.stack([canvas for canvas, _ in items]), [boxes for _, boxes in items]


class DetectionTask:
    """What the loop trains: a detector on random views of a data set of fish boxes."""

    def __init__(
        self,
        net: Detector,
        config: TrainConfig,
        train: DataSet,
        held_back: DataSet,
        *,
        group: Group | None = None,
    ):
        """Take the pictures; group: the processes that share the work.

        Pictures of fish that nobody has boxed are left out: they would be taught as empty.

        Raises:
            UsageError: there is nothing to learn from.
        """
        self.net, self.config, self.group = net, config, group or Group()
        species = config.data.species
        self.train = train.where(lambda p: not unboxed(p, species))
        self.held_back = held_back.where(lambda p: not unboxed(p, species))
        if not len(self.train):
            raise UsageError(
                f"{config.data.train} has no training pictures with boxes. A detector learns from "
                "boxes; check the data set's splits."
            )
        self.weights = sampling.picture_weights(self.train, config)
        # Decoded once here, the pictures reach every loader process by fork.
        CACHE.fill((picture.path for picture in self.train.pictures), config.data.cache_mb)

    def steps(self) -> int:
        """Whole batches an epoch; the rest differs from epoch to epoch."""
        return max(1, len(self.train) // self.config.run.batch)

    def batches(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """This process's share of the epoch's batches from the step `start` on."""
        run, steps = self.config.run, self.steps()
        rng = np.random.default_rng((run.seed, epoch))
        order = sampling.draw(len(self.train), steps * run.batch, self.weights, rng)
        loader = DataLoader(
            Views(self.train, self.config, epoch),
            batch_size=sampling.piece(run, self.group),
            sampler=sampling.mine(order, steps, run, self.group, start),
            num_workers=run.workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available() and run.device != "cpu",
            generator=torch.Generator().manual_seed(run.seed),
        )
        return iter(loader)

    def losses(self, batch: tuple[Tensor, list[Tensor]]) -> dict[str, Tensor]:
        """The detector's own loss."""
        return self.net.losses(*batch)

    def validate(self, net: Detector) -> dict[str, float]:
        """AP50, AP and the best F1 on the held-back pictures."""
        if not len(self.held_back):
            return {"ap50": 0.0}
        found = predict(net, self.held_back, self.config.model.input_size)
        ap, ap50 = average_precision(found, self.held_back)
        best = best_f1(hits(found, self.held_back))
        row = {"ap50": ap50, "ap": ap, "f1": best.f1, "threshold": best.threshold}
        return {name: round(value, 4) for name, value in row.items()}


@torch.inference_mode()
def predict(net: Detector, data: DataSet, size: int, iou_threshold: float = NMS_IOU) -> list[Found]:
    """Everything down to `MIN_SCORE` that a detector finds on each picture, as in production."""
    net.eval()
    device = devices.of(net)
    found = []
    for picture in data.pictures:
        canvas, box = letterbox(picture.pixels(), size)
        heads = net(torch.from_numpy(canvas)[None].to(device))[0].float().cpu().numpy()
        boxes, scores = decode_heads(heads, net.head, size, net.strides, MIN_SCORE)
        keep = nms(boxes, scores, iou_threshold, MAX_BOXES)
        found.append(Found(box.to_image(boxes[keep], picture.height, picture.width), scores[keep]))
    return found


def average_precision(found: list[Found], data: DataSet) -> tuple[float, float]:
    """COCO's class-agnostic (AP, AP50): all 101 recall points, at most 100 boxes a picture."""
    sheets = [
        Sheet(
            p.width, p.height, p.boxes, [ANY] * len(p.boxes),
            f.boxes, f.scores, [ANY] * len(f.scores),
        )
        for f, p in zip(found, data.pictures, strict=True)
    ]  # fmt: skip
    table = precision_table(sheets, [ANY])[..., 0]
    ap, ap50 = mean_of(table), mean_of(table[0])
    return (0.0, 0.0) if math.isnan(ap) else (round(ap, 4), round(ap50, 4))


def partners(boxes: Boxes, truth: Boxes, overlap: float = 0.5) -> NDArray[np.int64]:
    """Which fish each box (best first) is taken for: the best one left over, -1 for none."""
    found = np.full(len(boxes), -1, np.int64)
    if not len(truth):
        return found
    table = iou(boxes, truth)
    for i in range(len(boxes)):
        best = int(table[i].argmax())
        if table[i, best] >= overlap:
            found[i] = best
            table[:, best] = -1
    return found


def matches(boxes: Boxes, truth: Boxes, overlap: float = 0.5) -> NDArray[np.bool_]:
    """Which boxes (in descending order of score) are right: each takes the best fish left over."""
    return np.asarray(partners(boxes, truth, overlap) >= 0)


def hits(found: list[Found], data: DataSet) -> list[Hits]:
    """What was found against the truth of every picture, at IoU 0.5."""
    return [
        Hits(f.scores, matches(f.boxes, p.boxes), len(p.boxes), p.group)
        for f, p in zip(found, data.pictures, strict=True)
    ]
