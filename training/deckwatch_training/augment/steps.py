"""The register of steps: what a recipe can name, and what each of them takes.

A step is a function `step(sample, rng, *, parameters...) -> bool`. It changes the sample, takes all
its randomness from `rng`, and returns False where it does not apply (night vision of a night
frame); the copy then does not count it. Its keyword parameters with their types and defaults are
what a recipe may set. A step of the user's own is named `module:function`; see `Own`.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from deckwatch_training.augment.samples import Pixels, Sample, bounds
from deckwatch_vision.errors import UsageError
from deckwatch_vision.release import sha256_file

Run = Callable[[Sample, np.random.Generator], bool]
Steps = TypeVar("Steps", bound=Callable[..., bool])


@dataclass(frozen=True)
class Kind:
    """A step that recipes can name. cuts: it may take away or hide a part of the picture."""

    name: str
    function: Callable[..., bool]
    cuts: bool
    schema: type[BaseModel]

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (inspect.getdoc(self.function) or "").partition("\n\n")[0].replace("\n", " ")


KINDS: dict[str, Kind] = {}

# Set by whoever runs the recipe, never by the recipe itself.
_GIVEN = ("references",)


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the lower bound {pair[0]:g} is over the upper one {pair[1]:g}")
    return pair


# What parameters are: a share, and a range from low to high.
Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Whole = Annotated[tuple[int, int], AfterValidator(_ordered)]


def step(*names: str, cuts: bool = False) -> Callable[[Steps], Steps]:
    """Enter a function into the register, under one name or several."""

    def enter(function: Steps) -> Steps:
        for name in names:
            KINDS[name] = Kind(name, function, cuts, _schema(name, function))
        return function

    return enter


def of_pixels(*names: str) -> Callable[[Callable[..., Pixels]], Callable[..., Pixels]]:
    """Enter a function of pixels alone: `function(pixels, rng, *, parameters...) -> pixels`."""

    def enter(function: Callable[..., Pixels]) -> Callable[..., Pixels]:
        for name in names:
            KINDS[name] = Kind(name, _OfPixels(function), False, _schema(name, function))
        return function

    return enter


class _OfPixels:
    def __init__(self, function: Callable[..., Pixels]):
        self.function = function
        self.__doc__ = function.__doc__

    def __call__(self, sample: Sample, rng: np.random.Generator, **parameters: Any) -> bool:
        sample.pixels = self.function(sample.pixels, rng, **parameters)
        return True


def _schema(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        each.name: (hints[each.name], each.default)
        for each in inspect.signature(function).parameters.values()
        if each.kind is each.KEYWORD_ONLY and each.name not in _GIVEN
    }
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def bind(name: str, parameters: dict[str, Any], where: str, **given: Any) -> tuple[Run, bool]:
    """A step ready to run, and whether it cuts.

    `where` is for messages; `given` what the run itself hands to the steps that ask for it.

    Raises:
        UsageError: there is no such step, it cannot be loaded, or has no such parameter.
    """
    if ":" in name:
        return Own(name, parameters, where), True
    if name.startswith("albumentations."):
        from deckwatch_training.augment.library import Transform

        return Transform(name.partition(".")[2], parameters, where), True
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(
            f"{where}: there is no step {name!r}. Give one of {', '.join(sorted(KINDS))}, a "
            "transform as albumentations.NAME, or a function of yours as module:function."
        )
    try:
        checked = kind.schema.model_validate(parameters).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(kind.schema.model_fields) or "none"
        raise UsageError(
            f"{where}: {name}: {key}: {first['msg']} (given: {first['input']!r}). "
            f"Its parameters are: {allowed}."
        ) from None
    function = kind.function
    inner = function.function if isinstance(function, _OfPixels) else function
    asked = inspect.signature(inner).parameters
    checked |= {key: value for key, value in given.items() if key in asked}
    return partial(function, **checked), kind.cuts


class Own:
    """A user's own step: `function(pixels, boxes, rng, **parameters)`.

    It gets the pixels (uint8 [H, W, 3] RGB), the boxes (float32 [N, 4] x1 y1 x2 y2) and a numpy
    random Generator, from which all its randomness must come. It gives new pixels, or new pixels
    and the N boxes where they are now; what lies outside the picture is cut off, and a box without
    area has vanished. It must not change what it was given.
    """

    def __init__(self, name: str, parameters: dict[str, Any], where: str):
        self._name, self._parameters = name, parameters
        module, _, function = name.partition(":")
        # Console scripts do not look for modules in the folder where they are run.
        if "" not in sys.path:
            sys.path.append("")
        try:
            self._function = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"{where}: cannot load {name!r}: {error}. Give module:function of a module in this "
                "folder or an installed package."
            ) from None
        if not callable(self._function):
            raise UsageError(f"{where}: {name!r} is no function.")

    @property
    def digest(self) -> str:
        """Of the module's source: with other code the same name makes other copies."""
        file = sys.modules[self._name.partition(":")[0]].__file__
        return sha256_file(file)[:16] if file else ""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> bool:
        boxes = np.array([fish.box for fish in sample.fish], np.float32).reshape(-1, 4)
        given = self._function(sample.pixels, boxes.copy(), rng, **self._parameters)
        pixels, moved = given if isinstance(given, tuple) else (given, boxes)
        moved = np.asarray(moved, np.float32)
        if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 3):
            raise self._wrong(f"pixels of {_kind(pixels)}, expected uint8 [H, W, 3]")
        if moved.shape != boxes.shape:
            raise self._wrong(f"boxes of {_kind(moved)}, expected float32 {list(boxes.shape)}")
        sample.move_points(np.ascontiguousarray(pixels), _stretched(sample, boxes, moved))
        return True

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"The step {self._name} gave {what}. See docs/augmentation.md.")


def _stretched(
    sample: Sample, boxes: NDArray[np.float32], moved: NDArray[np.float32]
) -> list[NDArray[np.float64]]:
    """The outlines, stretched as the boxes were."""
    outlines: list[NDArray[np.float64]] = []
    for fish, old, new in zip(sample.fish, boxes, moved, strict=True):
        if np.array_equal(old, new):
            outlines.append(fish.outline)
            continue
        # Of the outline's own bounds, so that the new box is exactly the one that was given.
        edge = bounds(fish.outline)
        scale = (new[2:] - new[:2]) / np.maximum(edge[2:] - edge[:2], 1e-9)
        outlines.append((fish.outline - edge[:2]) * scale + new[:2])
    return outlines


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return type(value).__name__


def load_all(modules: Sequence[str] = ("geometry", "light", "library", "night", "cover")) -> None:
    """Enter the steps of all modules."""
    for name in modules:
        importlib.import_module(f"deckwatch_training.augment.{name}")


def rows() -> list[tuple[str, str, str]]:
    """Every step with its parameters and defaults and what it does, for docs/augmentation.md."""
    load_all()
    found = []
    for name, kind in sorted(KINDS.items()):
        parameters = kind.schema().model_dump(mode="json")
        given = ", ".join(f"{key}: {value}" for key, value in parameters.items())
        text = f"`{given}`".lower() if given else ""
        found.append((f"`{name}`" + " (cuts)" * kind.cuts, text, kind.summary))
    return found
