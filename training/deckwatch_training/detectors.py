"""The detectors that a configuration can name, behind one face.

A detector takes uint8 canvases [N, S, S, 3] and gives raw heads [N, A, 5] for one of the decoders
of `deckwatch_vision.heads`; the normalisation is part of the net, so the exported graph is the
detector as it stands. docs/training.md shows how to add one of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead

from deckwatch_training import simota
from deckwatch_training.nets import Net, imagenet, mobilenet_v2_features, symmetric
from deckwatch_training.registry import Registry
from deckwatch_training.yolox import YOLOX, load_coco
from deckwatch_vision.errors import UsageError
from deckwatch_vision.heads import HEADS

BatchNorm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
# Probability floor when a product of probabilities is turned back into a logit.
EPS = 1e-6


class Detector(Net):
    """The face of every detector.

    head: the decoder of its rows in `deckwatch_vision.heads`; strides: pixels between its anchor
    points, level by level (not looked at for the head "boxes").
    """

    head: str
    strides: tuple[int, ...] = (8, 16, 32)

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        """{"loss": to be minimised, further parts to be shown}; truths: boxes [n, 4] a picture."""
        raise UsageError(f"{type(self).__name__} cannot be trained: it has no `losses`.")


class YOLOXDetector(Detector):
    """YOLOX with one class, learnt with SimOTA; `weights`: the published COCO weights of nano."""

    head = "yolox"

    def __init__(self, size: str, input_size: int):
        super().__init__()
        self.normalise = imagenet()
        self.net = YOLOX(size)
        self.register_buffer("cells", simota.grid(input_size, self.strides), persistent=False)

    def forward(self, canvas: Tensor) -> Tensor:
        return self.net(self.normalise(canvas))  # type: ignore[no-any-return]

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        # The geometry stays exact under mixed precision.
        return simota.loss(self(canvas).float(), truths, self.cells)  # type: ignore[arg-type]

    def load_weights(self, path: Path) -> None:
        load_coco(self.net, path)


def torchvision_losses(net: nn.Module, x: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
    """The losses of a detector of torchvision on normalised canvases [N, 3, S, S]."""
    targets = [
        {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64, device=x.device)}
        for boxes in truths
    ]
    parts = net(list(x), targets)
    return {"loss": sum(parts.values(), torch.zeros((), device=x.device))} | {
        name: part.detach() for name, part in parts.items()
    }


def fcos_rows(out: dict[str, Tensor], anchors: Tensor) -> Tensor:
    """The head outputs of torchvision's FCOS as rows [N, A, 5] of the head "boxes"."""
    left, top, right, bottom = out["bbox_regression"].unbind(-1)
    side = anchors[:, 2] - anchors[:, 0]
    x, y = (anchors[:, 0] + anchors[:, 2]) / 2, (anchors[:, 1] + anchors[:, 3]) / 2
    boxes = (x - left * side, y - top * side, x + right * side, y + bottom * side)
    # Class 0 is torchvision's background; a fish's score is tempered by its centredness.
    score = (out["cls_logits"][..., 1].sigmoid() * out["bbox_ctrness"][..., 0].sigmoid()).sqrt()
    return torch.stack((*boxes, torch.logit(score, EPS)), -1)


class TorchvisionDetector(Detector):
    """A one-stage detector of torchvision on MobileNetV2 with a slim feature pyramid.

    The boxes are decoded inside the graph (head "boxes"): anchors are torchvision's own affair.
    """

    head = "boxes"
    strides = (8, 16, 32, 64)

    def __init__(self, width: int = 96):
        super().__init__()
        self.normalise = symmetric()
        self.backbone = BackboneWithFPN(
            mobilenet_v2_features(), {"6": "0", "13": "1", "18": "2"}, [32, 96, 1280], width
        )
        self.net: nn.Module

    def finish(self, net: nn.Module) -> None:
        """Take the net; its own transform must not normalise a second time."""
        net.transform.image_mean, net.transform.image_std = [0.0] * 3, [1.0] * 3  # type: ignore[union-attr]
        self.net = net

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        return torchvision_losses(self.net, self.normalise(canvas), truths)

    def load_weights(self, path: Path) -> None:
        body = self.backbone.body
        body.load_state_dict(mobilenet_v2_features(path).state_dict())

    def raw(self, canvas: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The net's own head outputs and its anchors [A, 4]."""
        x = self.normalise(canvas)
        features = list(self.net.backbone(x).values())  # type: ignore[operator]
        sizes = [(int(x.shape[2]), int(x.shape[3]))] * int(x.shape[0])
        anchors = self.net.anchor_generator(ImageList(x, sizes), features)[0]  # type: ignore[operator]
        return self.net.head(features), anchors  # type: ignore[operator]


class FCOSDetector(TorchvisionDetector):
    """torchvision's FCOS with two convolutions a branch.

    Four of them on the map of stride 8 would cost three times the backbone.
    """

    def __init__(self, input_size: int):
        super().__init__()
        anchors = AnchorGenerator(tuple((s,) for s in self.strides), ((1.0,),) * len(self.strides))
        net = FCOS(self.backbone, 2, input_size, input_size, anchor_generator=anchors)
        for branch in (net.head.classification_head, net.head.regression_head):
            branch.conv = branch.conv[:6]
        self.finish(net)

    def forward(self, canvas: Tensor) -> Tensor:
        return fcos_rows(*self.raw(canvas))


class SSDLiteDetector(TorchvisionDetector):
    """torchvision's SSD with the SSDLite head, from stride 8 on."""

    def __init__(self, input_size: int):
        super().__init__()
        boxes = DefaultBoxGenerator(
            [[2.0]] * len(self.strides),
            scales=[0.04, 0.1, 0.25, 0.5, 0.9],
            steps=list(self.strides),
            clip=False,
        )
        head = SSDLiteHead([96] * len(self.strides), boxes.num_anchors_per_location(), 2, BatchNorm)
        self.finish(SSD(self.backbone, boxes, (input_size, input_size), 2, head=head))

    def forward(self, canvas: Tensor) -> Tensor:
        out, anchors = self.raw(canvas)
        wx, wy, ww, wh = self.net.box_coder.weights  # type: ignore[union-attr,misc]
        dx, dy, dw, dh = out["bbox_regression"].unbind(-1)
        side = anchors[:, 2:] - anchors[:, :2]
        middle = (anchors[:, :2] + anchors[:, 2:]) / 2
        centre = torch.stack((dx / wx, dy / wy), -1) * side + middle
        half = torch.stack((dw / ww, dh / wh), -1).exp() * side / 2
        logit = out["cls_logits"][..., 1:] - out["cls_logits"][..., :1]
        return torch.cat((centre - half, centre + half, logit), -1)


DETECTORS: dict[str, Callable[[int], Detector]] = {
    "yolox_nano": lambda size: YOLOXDetector("nano", size),
    "yolox_tiny": lambda size: YOLOXDetector("tiny", size),
    "yolox_s": lambda size: YOLOXDetector("s", size),
    "fcos_mobilenet_v2": FCOSDetector,
    "ssdlite_mobilenet_v2": SSDLiteDetector,
}
REGISTRY = Registry("detector", "deckwatch.detectors", DETECTORS)


def names() -> list[str]:
    """Every name that `build` knows."""
    from deckwatch_training import torchvision_detectors

    return sorted({*REGISTRY.names(), *torchvision_detectors.NAMES})


def build(architecture: str, input_size: int) -> Detector:
    """A detector by name, for canvases of `input_size` (a multiple of 32).

    Our own, torchvision's, those of a user's packages (entry points "deckwatch.detectors"), or
    `module:function`, which is called with the input size.

    Raises:
        UsageError: the name is unknown (the message lists the choices) or the size does not fit.
    """
    from deckwatch_training import torchvision_detectors

    if input_size % 32:
        raise UsageError(f"model.input_size is {input_size}; give a multiple of 32, e.g. 640.")
    if builder := REGISTRY.find(architecture):
        return checked(builder(input_size), architecture)
    if architecture in torchvision_detectors.NAMES:
        return torchvision_detectors.build(architecture)
    raise UsageError(
        f"No detector {architecture!r}. Set model.architecture to one of: {', '.join(names())}."
    )


def checked(net: Any, architecture: str) -> Detector:
    """A user's detector, if it has what is asked of one.

    Raises:
        UsageError: it lacks `head` or `losses`, or its head is unknown.
    """
    missing = [name for name in ("head", "strides", "losses") if not hasattr(net, name)]
    if not isinstance(net, nn.Module) or missing:
        raise UsageError(
            f"{architecture}: a detector is a torch.nn.Module with head, strides and losses; "
            f"{type(net).__name__} lacks {', '.join(missing) or 'being a module'}. Derive it from "
            "deckwatch_training.detectors.Detector."
        )
    if net.head not in HEADS:
        raise UsageError(f"{architecture}: no head {net.head!r}; use one of {', '.join(HEADS)}.")
    return cast(Detector, net)
