"""Parts that detectors and classifiers share: normalisation inside the net, folded MobileNetV2."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2


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
    """X / 127.5 - 1, what the MobileNetV2 weights of TensorFlow were trained with."""
    return Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def fold(net: nn.Module) -> nn.Module:
    """Fold every batch norm that follows a convolution in a sequence into it, in place."""
    net.eval()
    for module in net.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for i in range(len(module) - 1):
            conv, norm = module[i], module[i + 1]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[i] = fuse_conv_bn_eval(conv, norm)
                module[i + 1] = nn.Identity()
    return net.train()


def mobilenet_v2_features(path: Path | None = None) -> nn.Sequential:
    """MobileNetV2's features with their batch norm folded, random or from a torchvision file.

    The published file was folded already (it comes from a quantised net), so batch statistics taken
    now would undo it.
    """
    net = mobilenet_v2(num_classes=1001)
    if path:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return fold(net.features)  # type: ignore[return-value]
