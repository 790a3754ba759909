"""torchvision's own detectors by their own names, in one stage or two, with one class (a fish).

Boxes are decoded inside the graph (head "boxes"). A two-stage detector gives a fixed number of
rows as well: its best proposals, each with the second stage's score.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align

from deckwatch_training import weights
from deckwatch_training.detectors import Detector, fcos_rows, torchvision_losses
from deckwatch_training.nets import imagenet, symmetric
from deckwatch_vision.errors import UsageError

NAMES = (
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssdlite320_mobilenet_v3_large",
)
# torchvision's own bound on the logarithm of a side over its anchor's.
MAX_LOG_SIDE = math.log(1000 / 16)
# Proposals kept of each level and of all. No picture of a deck shows more fish than that.
LEVEL_PROPOSALS, PROPOSALS = 200, 200
# Levels of the feature pyramid by a proposal's size: formula 1 of arXiv 1612.03144.
CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4


class AsItIs(nn.Module):
    """In place of torchvision's transform: the canvas is scaled and normalised already."""

    def forward(self, images: list[Tensor], targets: Any = None) -> tuple[ImageList, Any]:
        x = torch.stack(images)
        return ImageList(x, [(x.shape[2], x.shape[3])] * len(images)), targets

    def postprocess(self, found: Any, sizes: Any, originals: Any) -> Any:
        """Nothing was scaled, so nothing is scaled back."""
        return found


def decode(codes: Tensor, anchors: Tensor, scales: tuple[float, ...]) -> Tensor:
    """Boxes [..., 4] from offsets to anchors, both [..., 4] (Faster R-CNN, arXiv 1506.01497)."""
    wx, wy, ww, wh = scales
    dx, dy, dw, dh = codes.unbind(-1)
    side = anchors[..., 2:] - anchors[..., :2]
    middle = (anchors[..., :2] + anchors[..., 2:]) / 2
    centre = torch.stack((dx / wx, dy / wy), -1) * side + middle
    half = torch.stack((dw / ww, dh / wh), -1).clamp(max=MAX_LOG_SIDE).exp() * side / 2
    return torch.cat((centre - half, centre + half), -1)


class LibraryDetector(Detector):
    """A detector of torchvision; `weights`: COCO's for the whole, ImageNet's for its backbone."""

    head = "boxes"

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.normalise = symmetric() if name.startswith("ssdlite") else imagenet()
        self.net = get_model(name, weights=None, weights_backbone=None, num_classes=2)
        self.net.transform = AsItIs()

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        return torchvision_losses(self.net, self.normalise(canvas), truths)

    def load_named(self, name: str) -> None:
        """COCO's weights, or ImageNet's for the backbone alone."""
        with weights.downloading(name, self.name):
            if name == "imagenet":
                net = get_model(self.name, weights=None, weights_backbone="DEFAULT", num_classes=2)
                state = net.state_dict()
            else:
                chosen = get_model_weights(self.name).DEFAULT
                state = chosen.get_state_dict(progress=sys.stderr.isatty(), check_hash=True)
        weights.fill(self.net, state, f"{name} of {self.name}")
        self.frozen = True

    def load_weights(self, path: Any) -> None:
        """A state dict of torchvision for this detector; a head of other classes is left out."""
        weights.fill(self.net, weights.read_state(path), str(path))
        self.frozen = True

    def features(self, canvas: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The normalised canvas and the maps of the feature pyramid."""
        x = self.normalise(canvas)
        return x, self.net.backbone(x)


class OneStage(LibraryDetector):
    """RetinaNet, FCOS or SSDLite."""

    def forward(self, canvas: Tensor) -> Tensor:
        x, maps = self.features(canvas)
        features = list(maps.values())
        out = self.net.head(features)
        anchors = self.net.anchor_generator(_sizes(x), features)[0]
        if self.name.startswith("fcos"):
            return fcos_rows(out, anchors)
        boxes = decode(out["bbox_regression"], anchors, self.net.box_coder.weights)
        logit = out["cls_logits"][..., 1:]
        if self.name.startswith("ssd"):  # softmax over background and fish
            logit = logit - out["cls_logits"][..., :1]
        return torch.cat((boxes, logit), -1)


class TwoStage(LibraryDetector):
    """Faster R-CNN: the rows are its best proposals, as the second stage sees them."""

    def forward(self, canvas: Tensor) -> Tensor:
        x, maps = self.features(canvas)
        proposals = self.propose(x, list(maps.values()))
        n, side = proposals.shape[0], x.shape[2]
        heads = self.net.roi_heads
        pooled = self._pool(maps, proposals, side)
        logits, codes = heads.box_predictor(heads.box_head(pooled))
        rois = proposals.reshape(-1, 4)
        # Columns 4 to 8 belong to the fish, the first four to the background.
        boxes = decode(codes[:, 4:8], rois, heads.box_coder.weights)
        rows = torch.cat((boxes, logits[:, 1:2] - logits[:, :1]), -1)
        return rows.reshape(n, -1, 5)

    def propose(self, x: Tensor, features: list[Tensor]) -> Tensor:
        """The first stage: `PROPOSALS` boxes [N, K, 4] inside the canvas."""
        rpn = self.net.rpn
        objectness, codes = rpn.head(features)
        n, side = x.shape[0], x.shape[2]
        anchors = rpn.anchor_generator(_sizes(x), features)[0]
        found, start = [], 0
        for score, code in zip(objectness, codes, strict=True):
            per_cell, height, width = (int(v) for v in score.shape[1:])
            count = per_cell * height * width
            own = anchors[start : start + count]
            start += count
            score = score.permute(0, 2, 3, 1).reshape(n, count)
            code = code.reshape(n, per_cell, 4, height, width)
            code = code.permute(0, 3, 4, 1, 2).reshape(n, count, 4)
            found.append(self._best(score, code, own, side))
        boxes = torch.cat([each[0] for each in found], 1)
        scores = torch.cat([each[1] for each in found], 1)
        chosen = scores.topk(min(PROPOSALS, scores.shape[1]), 1).indices
        # In the order of the anchors, so that a tie of scores cannot swap two rows between torch
        # and ONNX.
        return _take(boxes, chosen.sort(1).values)

    def _best(self, score: Tensor, code: Tensor, own: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """A level's best boxes and their scores; one that another covers falls far behind."""
        best, rows = score.topk(min(LEVEL_PROPOSALS, int(own.shape[0])), 1)
        boxes = decode(_take(code, rows), own[rows], self.net.rpn.box_coder.weights)
        boxes = boxes.clamp(0, side)
        covered = _overlaps(boxes) > self.net.rpn.nms_thresh
        # Far enough to come after all others, near enough to keep the order in float32.
        return boxes, best - 100 * covered.to(best.dtype)

    def _pool(self, maps: dict[str, Tensor], proposals: Tensor, side: int) -> Tensor:
        """The features of every proposal [N * K, C, 7, 7], each from the level of its size."""
        pool = self.net.roi_heads.box_roi_pool
        n, k = proposals.shape[:2]
        boxes = proposals.reshape(-1, 4)
        picture = torch.arange(n, device=boxes.device).reshape(-1, 1).expand(-1, k).reshape(-1, 1)
        rois = torch.cat((picture.to(boxes.dtype), boxes), 1)
        levels = [maps[name] for name in pool.featmap_names if name in maps]
        scales = [2.0 ** round(math.log2(int(level.shape[2]) / int(side))) for level in levels]
        first, last = -math.log2(scales[0]), -math.log2(scales[-1])
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1).clamp(min=1e-6)
        wanted = CANONICAL_LEVEL + torch.log2(area.sqrt() / CANONICAL_SIDE) + 1e-6
        wanted = wanted.floor().clamp(first, last) - first
        pooled: Tensor | None = None
        # Pooling all levels and choosing keeps every shape fixed, for TensorRT too.
        for i, (level, scale) in enumerate(zip(levels, scales, strict=True)):
            one = roi_align(level, rois, pool.output_size, scale, pool.sampling_ratio)
            own = (wanted == i).to(one.dtype).reshape(-1, 1, 1, 1)
            pooled = one * own if pooled is None else pooled + one * own
        if pooled is None:
            raise UsageError(f"{self.name} pools no level of its pyramid.")
        return pooled


def build(name: str) -> LibraryDetector:
    """A detector of torchvision with random weights."""
    return TwoStage(name) if name.startswith("fasterrcnn") else OneStage(name)


def _sizes(x: Tensor) -> ImageList:
    return ImageList(x, [(int(x.shape[2]), int(x.shape[3]))] * int(x.shape[0]))


def _take(values: Tensor, rows: Tensor) -> Tensor:
    """Rows [N, K] of values [N, M, 4]."""
    return values.gather(1, rows.unsqueeze(-1).expand(-1, -1, 4))


def _overlaps(boxes: Tensor) -> Tensor:
    """Of each box [N, K, 4] in descending order, the largest IoU with one before it.

    Non-maximum suppression without a loop ("Fast NMS", YOLACT, arXiv 1904.02689): boxes that are
    themselves covered cover others too.
    """
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    iou = common / (area[:, :, None] + area[:, None] - common).clamp(min=1e-6)
    return torch.triu(iou, 1).amax(1)
