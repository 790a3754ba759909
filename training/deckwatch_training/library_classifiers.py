"""Any classifier of torchvision or timm behind our face: uint8 crops in, logits out."""

from __future__ import annotations

import difflib
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import torchvision
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights, list_models

from deckwatch_training import weights
from deckwatch_training.classifiers import Classifier
from deckwatch_training.nets import Normalise, imagenet
from deckwatch_vision.errors import UsageError

LIBRARIES = ("torchvision", "timm")


class LibraryClassifier(Classifier):
    """A net of a library with its last layer for our classes, and normalisation before it."""

    def __init__(self, library: str, name: str, net: nn.Module, normalise: Normalise):
        super().__init__()
        self.library, self.name = library, name
        self.normalise = normalise
        self.net = net

    def forward(self, crops: Tensor) -> Tensor:
        return self.net(self.normalise(crops))  # type: ignore[no-any-return]

    def load_weights(self, path: Path) -> None:
        """A state dict of the library for this net; a head of other classes is left out."""
        weights.fill(self.net, weights.read_state(path), str(path))

    def load_named(self, name: str) -> None:
        """The library's own weights, of ImageNet or what it was trained on."""
        if self.library == "torchvision":
            state = torchvision_state(self.name, name)
        else:
            state = _timm_state(self.name, name)
        weights.fill(self.net, state, f"{name} of {self.name}")


def find(architecture: str) -> tuple[str, str] | None:
    """(library, name) of an architecture, None where no library knows it.

    torchvision comes first where both do.
    """
    given, colon, name = architecture.partition(":")
    if not colon:
        given, name = "", architecture
    if given in ("", "torchvision") and name in torchvision_names():
        return "torchvision", name
    if given in ("", "timm") and name.partition(".")[0] in timm_names():
        return "timm", name
    return None


def build(library: str, name: str, classes: int, input_size: int | None) -> LibraryClassifier:
    """A net of a library for that many classes, with random weights.

    Raises:
        UsageError: the net cannot be built for that size.
    """
    try:
        if library == "torchvision":
            net, normalise = _torchvision(name, classes, input_size), imagenet()
        else:
            net, normalise = _timm(name, classes, input_size)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise UsageError(
            f"{library} cannot build {name} for crops of {input_size} pixels: {error}"
        ) from error
    return LibraryClassifier(library, name, net, normalise)


def _torchvision(name: str, classes: int, size: int | None) -> nn.Module:
    options: dict[str, object] = {}
    if name.startswith("vit_") and size:
        options["image_size"] = size
    if name == "maxvit_t" and size:
        options["input_size"] = (size, size)
    if name in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": True}
    net: nn.Module = get_model(name, weights=None, num_classes=classes, **options)
    return net


def _timm(name: str, classes: int, size: int | None) -> tuple[nn.Module, Normalise]:
    import timm

    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=classes)
    facts: dict[str, Any] = net.pretrained_cfg  # type: ignore[assignment]
    if size and facts.get("fixed_input_size") and facts["input_size"][1:] != (size, size):
        net = timm.create_model(name, pretrained=False, num_classes=classes, img_size=size)
    return net, Normalise(tuple(facts["mean"]), tuple(facts["std"]))


def torchvision_state(name: str, weights_name: str) -> dict[str, Tensor]:
    """The weights that torchvision offers for a net.

    Raises:
        UsageError: they cannot be downloaded, or it has none of COCO.
    """
    if weights_name == "coco":
        raise UsageError("A classifier has no weights of COCO. Set model.weights to imagenet.")
    with weights.downloading(weights_name, name):
        chosen = get_model_weights(name).DEFAULT
        return dict(chosen.get_state_dict(progress=sys.stderr.isatty(), check_hash=True))


def _timm_state(name: str, weights_name: str) -> dict[str, Tensor]:
    import timm

    if weights_name == "coco":
        raise UsageError("A classifier has no weights of COCO. Set model.weights to imagenet.")
    with weights.downloading(weights_name, name):
        return dict(timm.create_model(name, pretrained=True).state_dict())


@lru_cache
def torchvision_names() -> tuple[str, ...]:
    """Every classifier of torchvision."""
    return tuple(list_models(module=torchvision.models))


@lru_cache
def timm_names() -> tuple[str, ...]:
    """Every architecture of timm."""
    import timm

    return tuple(timm.list_models())


def similar(architecture: str) -> str:
    """Names like a misspelt one, for a message."""
    name = architecture.rpartition(":")[2]
    known = [*torchvision_names(), *timm_names()]
    found = list(dict.fromkeys(difflib.get_close_matches(name, known, 4)))
    return f" (such as {', '.join(found)})" if found else ""
