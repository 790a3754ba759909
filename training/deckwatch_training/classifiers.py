"""The species classifiers that a configuration can name, behind one face.

A classifier takes uint8 crops [N, c, c, 3] and gives logits [N, C]; the normalisation is part of
the net. docs/training.md shows how to add one of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from deckwatch_training import weights
from deckwatch_training.nets import Net, Normalise, imagenet, mobilenet_v2_features, symmetric
from deckwatch_training.registry import Registry
from deckwatch_vision.errors import UsageError


class Classifier(Net):
    """The face of every classifier."""


class Pooled(Classifier):
    """Features of a torchvision net, average pooling, dropout and one linear layer."""

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
        state = weights.read_state(path)
        own = {k[9:]: v for k, v in state.items() if k.startswith("features.")}
        self.features.load_state_dict(own)


class MobileNetV2(Pooled):
    """MobileNetV2 without batch norm (see `nets.mobilenet_v2_features`), 2.2 million parameters."""

    def __init__(self, classes: int):
        super().__init__(symmetric(), mobilenet_v2_features(), 1280, classes)

    def load_weights(self, path: Path) -> None:
        self.features = mobilenet_v2_features(path)


class SqueezeNet(Pooled):
    """SqueezeNet 1.1: no batch norm of its own, 0.7 million parameters."""

    def __init__(self, classes: int):
        super().__init__(imagenet(), squeezenet1_1().features, 512, classes)

    def load_named(self, name: str) -> None:
        """The library's weights of ImageNet."""
        from deckwatch_training import library_classifiers

        state = library_classifiers.torchvision_state("squeezenet1_1", name)
        self.features.load_state_dict(
            {k[9:]: v for k, v in state.items() if k.startswith("features.")}
        )


CLASSIFIERS: dict[str, Callable[[int], Classifier]] = {
    "mobilenet_v2": MobileNetV2,
    "squeezenet1_1": SqueezeNet,
}
REGISTRY = Registry("classifier", "deckwatch.classifiers", CLASSIFIERS)


def build(architecture: str, classes: int, input_size: int | None = None) -> Classifier:
    """A classifier by name for that many species codes (NoF among them).

    Our own, those of a user's packages (entry points "deckwatch.classifiers"), torchvision's and
    timm's by their names (`torchvision:NAME` and `timm:NAME` where several know one), or
    `module:function`, which is called with the number of classes. input_size: side of a crop, for
    nets that are built for one size.

    Raises:
        UsageError: the name is unknown; the message lists names that are like it.
    """
    from deckwatch_training import library_classifiers

    library = library_classifiers.find(architecture)
    prefixed = architecture.partition(":")[0] in library_classifiers.LIBRARIES
    if not prefixed and (builder := REGISTRY.find(architecture)):
        return checked(builder(classes), architecture)
    if library:
        return library_classifiers.build(*library, classes, input_size)
    raise UsageError(
        f"No classifier {architecture!r}. Set model.architecture to one of "
        f"{', '.join(REGISTRY.names())}, or to a name of torchvision or timm"
        f"{library_classifiers.similar(architecture)}. `deckwatch train models` lists them."
    )


def checked(net: Any, architecture: str) -> Classifier:
    """A user's classifier, if it is a module.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(net, torch.nn.Module):
        raise UsageError(
            f"{architecture}: a classifier is a torch.nn.Module that takes uint8 crops "
            f"[N, c, c, 3] and gives logits [N, C]; this gave a {type(net).__name__}."
        )
    return cast(Classifier, net)
