"""What a fish looks like: outline, fins, colours and marks, in lengths of its body.

The snout is at (0, 0), the root of the tail at (1, 0); y points up to the back. The telling
features are those that people who sort catches go by: FAO Species Catalogue volumes 2 (tunas,
billfishes) and 4 (sharks), and the identification sheets of the longline fisheries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Colour = tuple[float, float, float]
Line = tuple[tuple[float, float], ...]
# Paints marks onto colours [H, W, 3], given along (0 snout .. 1 tail) and across (1 back .. -1
# belly) for each pixel.
Marks = Callable[[Plane, Plane, Plane, np.random.Generator], None]


@dataclass(frozen=True)
class Fin:
    """A fin's outline and colour; front: it lies on the body; edge: colour of the trailing rim."""

    outline: Line
    colour: Colour
    front: bool = False


@dataclass(frozen=True)
class Anatomy:
    """One kind of fish.

    back, belly: profiles (along, height). stops: colours from belly (-1) to back (1). eye: along,
    height, radius. length: metres, shortest and longest.
    """

    back: Line
    belly: Line
    stops: tuple[tuple[float, Colour], ...]
    fins: tuple[Fin, ...]
    eye: tuple[float, float, float]
    length: tuple[float, float]
    iris: Colour = (190.0, 180.0, 150.0)
    gill: float = 0.25
    shine: float = 0.5
    marks: Marks | None = None
    mouth: tuple[float, float] = (0.09, -0.02)
