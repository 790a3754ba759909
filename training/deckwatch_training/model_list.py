"""The architectures that a configuration can name, as `deckwatch train models` shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from deckwatch_training import classifiers, detectors, library_classifiers, torchvision_detectors
from deckwatch_training.registry import Registry
from deckwatch_vision.errors import UsageError

# Sizes that any net can be built for.
CANVAS, CLASSES = 640, 8


@dataclass(frozen=True)
class Model:
    """An architecture: task, name, and who offers it."""

    task: str
    name: str
    origin: str

    def parameters(self) -> int | None:
        """How many it has, without making room for them; None where it cannot be built so."""
        try:
            with torch.device("meta"):
                net = (
                    detectors.build(self.name, CANVAS)
                    if self.task == "detector"
                    else classifiers.build(self.name, CLASSES)
                )
        # A library's net may insist on real numbers while it is built.
        except (RuntimeError, NotImplementedError, ValueError, TypeError, UsageError):
            return None
        return sum(each.numel() for each in net.parameters())


def models() -> list[Model]:
    """Every architecture: detectors first, then classifiers, ours before the libraries'."""
    found = _registered(detectors.REGISTRY)
    found += [Model("detector", name, "torchvision") for name in torchvision_detectors.NAMES]
    found += _registered(classifiers.REGISTRY)
    own = {each.name for each in found}
    library = library_classifiers.torchvision_names()
    for name in library:
        named = f"torchvision:{name}" if name in own else name
        found.append(Model("classifier", named, "torchvision"))
    for name in library_classifiers.timm_names():
        clash = name in own or name in library
        found.append(Model("classifier", f"timm:{name}" if clash else name, "timm"))
    return found


def lines(find: str | None = None) -> Iterator[str]:
    """The list as text; `find`: only names with this in them, and their parameters.

    Raises:
        UsageError: no name has it.
    """
    known = models()
    if find is not None:
        chosen = [each for each in known if find.lower() in each.name.lower()]
        if not chosen:
            raise UsageError(
                f"No architecture has {find!r} in its name"
                f"{library_classifiers.similar(find)}. `deckwatch train models` lists them."
            )
        for each in chosen:
            count = each.parameters()
            size = f"{count / 1e6:.1f} M" if count else ""
            yield f"{each.task:<10}  {each.name:<40}  {each.origin:<11}  {size}".rstrip()
        return
    for each in known:
        if each.origin != "timm":
            yield f"{each.task:<10}  {each.name:<40}  {each.origin}"
    count = sum(each.origin == "timm" for each in known)
    yield f"classifier  {f'and {count} of timm':<40}  timm: name a part to list them"


def _registered(registry: Registry) -> list[Model]:
    return [
        Model(registry.kind, name, "deckwatch" if name in registry.own else "package")
        for name in registry.names()
    ]
