"""The species classifiers that a configuration can name, behind one face.

A classifier takes uint8 crops [N, c, c, 3] and gives logits [N, C]; the normalisation is part of
the net. To add one, enter a builder in `CLASSIFIERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from deckwatch_training.nets import Normalise, imagenet, mobilenet_v2_features, symmetric
from deckwatch_vision.errors import UsageError


class Classifier(nn.Module):
    """Features of a torchvision net, average pooling, dropout and one linear layer."""

    memory_format = torch.channels_last

    def __init__(self, normalise: Normalise, features: nn.Module, width: int, classes: int):
        super().__init__()
        self.normalise = normalise
        self.features = features
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes))
        nn.init.normal_(self.head[1].weight, std=0.01)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[1].bias)  # type: ignore[arg-type]

    def forward(self, crops: Tensor) -> Tensor:
        return self.head(self.features(self.normalise(crops)).mean((2, 3)))  # type: ignore[no-any-return]

    def load_weights(self, path: Path) -> None:
        """Fill the features from a torchvision state dict."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        own = {k[9:]: v for k, v in state.items() if k.startswith("features.")}
        self.features.load_state_dict(own)


class MobileNetV2(Classifier):
    """MobileNetV2 without batch norm (see `nets.mobilenet_v2_features`), 2.2 million parameters."""

    def __init__(self, classes: int):
        super().__init__(symmetric(), mobilenet_v2_features(), 1280, classes)

    def load_weights(self, path: Path) -> None:
        self.features = mobilenet_v2_features(path)


class SqueezeNet(Classifier):
    """SqueezeNet 1.1: no batch norm of its own, 0.7 million parameters."""

    def __init__(self, classes: int):
        super().__init__(imagenet(), squeezenet1_1().features, 512, classes)


CLASSIFIERS: dict[str, Callable[[int], Classifier]] = {
    "mobilenet_v2": MobileNetV2,
    "squeezenet1_1": SqueezeNet,
}


def build(architecture: str, classes: int) -> Classifier:
    """A classifier by name for that many species codes (NoF among them).

    Raises UsageError naming the choices.
    """
    if architecture not in CLASSIFIERS:
        raise UsageError(
            f"No classifier {architecture!r}. Set model.architecture to one of: "
            f"{', '.join(sorted(CLASSIFIERS))}."
        )
    return CLASSIFIERS[architecture](classes)
