"""The detectors that a configuration can name, behind one face.

A detector takes uint8 canvases [N, S, S, 3] and gives raw heads [N, A, 5] for one of the decoders
of `deckwatch_vision.heads`; the normalisation is part of the net, so the exported graph is the
detector as it stands. To add one, write a class with this face and enter it in `DETECTORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from deckwatch_vision.errors import UsageError
from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.ssdlite import SSDLiteHead

from deckwatch_training import simota
from deckwatch_training.yolox import YOLOX, load_coco

# Probability floor when a product of probabilities is turned back into a logit.
EPS = 1e-6


class Normalise(nn.Module):
    """uint8 RGB [N, S, S, 3] to float [N, 3, S, S], (x / 255 - mean) / deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]):
        super().__init__()
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(mean).reshape(shape) * 255)
        self.register_buffer("deviation", torch.tensor(deviation).reshape(shape) * 255)

    def forward(self, canvas: Tensor) -> Tensor:
        return (canvas.permute(0, 3, 1, 2).float() - self.mean) / self.deviation


def imagenet() -> Normalise:
    """The usual ImageNet statistics."""
    return Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def symmetric() -> Normalise:
    """x / 127.5 - 1, what the MobileNetV2 weights of TensorFlow were trained with."""
    return Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Detector(nn.Module):
    """The face of every detector."""

    head: str
    strides: tuple[int, ...] = (8, 16, 32)
    # Channels-last pays on a CPU for nets of depthwise convolutions: 12.2 against 8.3 pictures/s
    # for a training step of YOLOX-nano at 640 px on two cores.
    memory_format = torch.channels_last

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        """{"loss": to be minimised, further parts to be shown}; truths: boxes [n, 4] a picture."""
        raise UsageError(f"{type(self).__name__} cannot be trained.")

    def load_weights(self, path: Path) -> None:
        """Fill the net, or its backbone, from a file."""
        raise UsageError(f"{type(self).__name__} starts from no file. Set model.weights to none.")


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
        return simota.loss(self(canvas), truths, self.cells)  # type: ignore[arg-type]

    def load_weights(self, path: Path) -> None:
        load_coco(self.net, path)


class TorchvisionDetector(Detector):
    """A one-stage detector of torchvision; boxes are decoded inside the graph (head "boxes")."""

    head = "boxes"

    def __init__(self, net: nn.Module, backbone: nn.Module):
        super().__init__()
        self.normalise = symmetric()
        self.net = net
        self._backbone = [backbone]  # in a list: already registered inside the net

    def losses(self, canvas: Tensor, truths: list[Tensor]) -> dict[str, Tensor]:
        self._level()
        targets = [
            {"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64)}
            for boxes in truths
        ]
        parts = self.net(list(self.normalise(canvas)), targets)
        return {"loss": sum(parts.values(), torch.zeros(()))} | {
            name: part.detach() for name, part in parts.items()
        }

    def load_weights(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        wanted = {k: v for k, v in state.items() if k.startswith("features.")}
        self._backbone[0].load_state_dict(
            {k.removeprefix("features."): v for k, v in wanted.items()}
        )

    def _level(self) -> None:
        # The net's own transform would resize and normalise once more.
        self.net.transform.image_mean, self.net.transform.image_std = [0.0] * 3, [1.0] * 3


class FCOSDetector(TorchvisionDetector):
    """torchvision's FCOS on MobileNetV2 with a slim feature pyramid."""

    def __init__(self, input_size: int, width: int = 96):
        features = mobilenet_v2(num_classes=1001).features
        body = BackboneWithFPN(
            features, {"6": "0", "13": "1", "18": "2"}, [32, 96, 1280], width, None
        )
        net = FCOS(
            body,
            num_classes=2,
            min_size=input_size,
            max_size=input_size,
            anchor_generator=AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3),
        )
        # Four convolutions a branch of 96 channels would cost three times the backbone; two do.
        for branch in (net.head.classification_head, net.head.regression_head):
            branch.conv = branch.conv[:6]
        super().__init__(net, features)

    def forward(self, canvas: Tensor) -> Tensor:
        x = self.normalise(canvas)
        features = list(self.net.backbone(x).values())
        out = self.net.head(features)
        anchors = self.net.anchor_generator(
            ImageList(x, [(x.shape[2], x.shape[3])] * x.shape[0]), features
        )[0]
        boxes = torch.stack(
            [self.net.box_coder.decode(r, anchors) for r in out["bbox_regression"]]
        )
        # Class 0 is torchvision's background; a fish's score is tempered by its centredness.
        score = (out["cls_logits"][..., 1:].sigmoid() * out["bbox_ctrness"].sigmoid()).sqrt()
        return torch.cat((boxes, torch.logit(score, EPS)), -1)


class SSDLiteDetector(TorchvisionDetector):
    """torchvision's SSD with the SSDLite head on MobileNetV2, from stride 8 on."""

    def __init__(self, input_size: int):
        features = mobilenet_v2(num_classes=1001).features
        body = BackboneWithFPN(features, {"6": "0", "13": "1", "18": "2"}, [32, 96, 1280], 96, None)
        boxes = DefaultBoxGenerator(
            [[2.0]] * 3, scales=[0.05, 0.12, 0.3, 0.7], steps=[8, 16, 32], clip=False
        )
        head = SSDLiteHead([96] * 3, boxes.num_anchors_per_location(), 2, nn.BatchNorm2d)
        net = SSD(body, boxes, (input_size, input_size), 2, head=head)
        super().__init__(net, features)

    def forward(self, canvas: Tensor) -> Tensor:
        x = self.normalise(canvas)
        features = list(self.net.backbone(x).values())
        out = self.net.head(features)
        anchors = self.net.anchor_generator(
            ImageList(x, [(x.shape[2], x.shape[3])] * x.shape[0]), features
        )[0]
        boxes = torch.stack(
            [self.net.box_coder.decode_single(r, anchors) for r in out["bbox_regression"]]
        )
        logits = out["cls_logits"]
        return torch.cat((boxes, logits[..., 1:] - logits[..., :1]), -1)


DETECTORS: dict[str, Callable[[int], Detector]] = {
    "yolox_nano": lambda size: YOLOXDetector("nano", size),
    "yolox_tiny": lambda size: YOLOXDetector("tiny", size),
    "fcos_mobilenet_v2": FCOSDetector,
    "ssdlite_mobilenet_v2": SSDLiteDetector,
}


def build(architecture: str, input_size: int) -> Detector:
    """A detector by name, for canvases of `input_size` (a multiple of 32).

    Raises UsageError naming the choices.
    """
    if architecture not in DETECTORS:
        raise UsageError(
            f"No detector {architecture!r}. Set model.architecture to one of: "
            f"{', '.join(sorted(DETECTORS))}."
        )
    if input_size % 32:
        raise UsageError(f"model.input_size is {input_size}; give a multiple of 32, e.g. 640.")
    return DETECTORS[architecture](input_size)
