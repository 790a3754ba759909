"""What detectors and classifiers share: their face, normalisation inside, folded MobileNetV2."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from deckwatch_vision.errors import UsageError


class Net(nn.Module):
    """The face of every model: uint8 RGB [N, S, S, 3] in, all else inside."""

    # Channels-last pays on a CPU for nets of depthwise convolutions: 12.2 against 8.3 pictures/s
    # for a training step of YOLOX-nano at 640 px on two cores. On a GPU it feeds the tensor cores.
    memory_format = torch.channels_last
    # Batch norms keep the statistics that came with the weights: those of a small batch are worse,
    # and where they were folded into the convolutions there are none to go on from.
    frozen = False

    def train(self, mode: bool = True) -> Self:
        """As in torch, but frozen batch norms stay as they are."""
        super().train(mode)
        if self.frozen:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def load_weights(self, path: Path) -> None:
        """Fill the net, or its backbone, from a file of weights.

        Raises:
            UsageError: the net starts from no such file.
        """
        raise UsageError(f"{type(self).__name__} starts from no file. Set model.weights to none.")

    def load_named(self, name: str) -> None:
        """Fill the net from weights that its library offers: "pretrained", "imagenet" or "coco".

        Raises:
            UsageError: there are none of that name, or they cannot be downloaded.
        """
        raise UsageError(
            f"{type(self).__name__} has no weights {name!r}. Set model.weights to a file, to a "
            "release (live, or its folder) or to none."
        )


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
