"""The vessels of a simulated fleet: each has its own camera, deck, gear, light and catch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from deckwatch_training.simulate.camera import Camera
from deckwatch_vision.species import NO_FISH

# Pictures of each class in the competition's training set, 3,777 in all.
COMPETITION = {
    "ALB": 1719, "BET": 200, "DOL": 117, "LAG": 67, NO_FISH: 465, "OTHER": 299, "SHARK": 176,
    "YFT": 734,
}  # fmt: skip
# Every vessel catches these; of the others some lack one or two.
EVERYWHERE = ("ALB", "YFT", "OTHER", NO_FISH)
DECKS = ("planks", "paint", "fibreglass", "plate", "mats")
Colour = tuple[float, float, float]
# Deck paints, in the order of DECKS; each vessel's is a shade of one of them.
_COLOURS: dict[str, tuple[Colour, ...]] = {
    "planks": ((150, 128, 100), (122, 104, 84), (168, 150, 124)),
    "paint": ((78, 112, 92), (112, 118, 122), (140, 74, 58), (70, 96, 126), (150, 150, 140)),
    "fibreglass": ((204, 204, 196), (186, 196, 198), (214, 206, 186)),
    "plate": ((104, 108, 112), (86, 92, 98), (124, 116, 104)),
    "mats": ((66, 78, 70), (74, 74, 76), (56, 84, 96)),
}
_HULLS: tuple[Colour, ...] = (
    (222, 222, 216), (60, 92, 130), (44, 104, 84), (196, 188, 166), (150, 58, 46), (92, 98, 104),
)  # fmt: skip


@dataclass(frozen=True)
class Vessel:
    """A vessel as its camera sees it.

    deck, colour, hull: kind and colours; reach, side: metres to the bulwark ahead and at the
    sides; cast: gain of red, green and blue; vision: what its camera sees by night ("grey" or
    "green"); quality: its JPEG quality; noise: deviation by day; shadows: place, half width and
    length in metres of what throws a shadow on its deck; mix: share of its pictures that show
    each class.
    """

    index: int
    camera: Camera
    deck: str
    colour: Colour
    hull: Colour
    reach: float
    side: float
    cast: Colour
    vision: str
    quality: int
    noise: float
    shadows: tuple[tuple[float, float, float], ...]
    mix: dict[str, float] = field(hash=False)

    @property
    def name(self) -> str:
        return f"vessel-{self.index + 1:02d}"


@lru_cache(maxsize=64)
def vessel(seed: int, index: int, size: tuple[int, int], skew: float) -> Vessel:
    """Vessel `index` of the fleet `seed`, for pictures of `size` (width, height).

    skew: 1 for the competition's frequencies, 0 for even ones.
    """
    rng = np.random.default_rng((seed, 1, index))
    # Neighbours in number differ in kind, so that a small fleet shows every kind there is.
    turn = int(np.random.default_rng((seed, 2)).integers(len(DECKS)))
    deck = DECKS[(index + turn) % len(DECKS)]
    colour = _COLOURS[deck][int(rng.integers(len(_COLOURS[deck])))]
    shade = rng.uniform(0.82, 1.12) + rng.normal(0, 0.03, 3)
    side, reach = float(rng.uniform(2.0, 3.2)), float(rng.uniform(3.2, 5.0))
    camera = _camera(size, side, reach, rng)
    warmth = rng.normal(0, 0.05)
    return Vessel(
        index, camera, deck,
        tuple(np.clip(np.array(colour) * shade, 20, 235).tolist()),
        _HULLS[int(rng.integers(len(_HULLS)))],
        reach=reach, side=side,
        cast=(1 + warmth, 1.0 + float(rng.normal(0, 0.015)), 1 - warmth),
        vision="green" if (index + turn) % 2 else "grey",
        quality=int(rng.integers(62, 93)), noise=float(rng.uniform(1.0, 3.5)),
        shadows=tuple(
            (float(rng.uniform(-2.5, 2.5)), half, float(rng.uniform(0.8, 2.6)))
            for half in (0.9, 0.06, 0.04)[: int(rng.integers(1, 4))]
        ),
        mix=_mix(seed, index, skew, rng),
    )  # fmt: skip


def _camera(size: tuple[int, int], side: float, reach: float, rng: np.random.Generator) -> Camera:
    """A camera that looks at the deck and not at the sea: the best of up to 40 mountings."""
    across, down = np.meshgrid(np.linspace(0.05, 0.95, 9), np.linspace(0.05, 0.95, 7))
    points = np.stack((across * size[0], down * size[1]), -1)
    tried: list[tuple[float, Camera]] = []
    while len(tried) < 40 and not (tried and tried[-1][0] > 0.7):
        camera = Camera(
            *size,
            height=float(rng.uniform(2.5, 3.6)), pitch=float(rng.uniform(0.6, 1.15)),
            yaw=float(rng.uniform(-0.6, 0.6)), roll=float(rng.normal(0, 0.07)),
            view=float(rng.uniform(0.95, 1.3)),
        )  # fmt: skip
        spots = camera.on_deck(points)
        share = float(((np.abs(spots[..., 0]) < side) & (spots[..., 1] < reach)).mean())
        tried.append((share, camera))
    return max(tried, key=lambda each: each[0])[1]


def _mix(seed: int, index: int, skew: float, rng: np.random.Generator) -> dict[str, float]:
    shares = {}
    rare = [code for code in COMPETITION if code not in EVERYWHERE]
    # Which of the rare ones is missing moves on from vessel to vessel: none is missing everywhere.
    start = int(np.random.default_rng((seed, 3)).integers(len(rare)))
    missing = {rare[(start + index) % len(rare)]} if index % 3 == 0 else set()
    for code, count in COMPETITION.items():
        share = count**skew * float(np.exp(rng.normal(0, 0.5)))
        shares[code] = 0.0 if code in missing else share
    total = sum(shares.values())
    return {code: share / total for code, share in shares.items()}
