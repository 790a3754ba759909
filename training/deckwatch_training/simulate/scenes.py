"""What happens in front of a vessel's camera: when, by which light, with what on deck.

Picture i of a simulation is frame i // vessels of vessel i % vessels, whatever the number of
pictures: a larger simulation begins with the smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from deckwatch_training.simulate.fish import INDIVIDUALS, KINDS
from deckwatch_training.simulate.vessels import Vessel
from deckwatch_vision.species import NO_FISH

# The first day; day n of a vessel holds its pictures 4 n to 4 n + 3, or one sequence.
_START = datetime(2024, 1, 1, tzinfo=UTC)
# How the four pictures of a day fall into bursts of similar frames.
_BURSTS = ((4,), (2, 2), (1, 3), (3, 1), (1, 1, 2), (1, 1, 1, 1))
_DAY = 4
# In a sequence of that many frames fish come and go.
_LONG = 8
# Share of the pictures of each class that show 1, 2, 3, 4 or 5 fish (competition's box files).
_FISH = {"ALB": (0.71, 0.18, 0.07, 0.03, 0.01), "LAG": (0.5, 0.5)}
_FEW = (0.86, 0.12, 0.02)


@dataclass(frozen=True)
class Fish:
    """One fish on deck.

    at: share of the picture's width and height where its middle lies; turn: radians on deck;
    size: metres over the individual's own length; shade: light it gets; stays: share of the
    sequence during which it lies there.
    """

    species: str
    individual: int
    at: tuple[float, float]
    turn: float
    size: float
    mirrored: bool
    shade: float
    stays: tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """A moment on deck, seen in one or several frames.

    hour: of the day, 0 to 24; sun: direction of the shadows; rain: 0 none to 1 heavy; people:
    seeds of those on deck; wet: seed of stains and puddles.
    """

    key: tuple[int, ...]
    start: datetime
    night: bool
    hour: float
    cloud: float
    rain: float
    drops: int
    smear: float
    fish: tuple[Fish, ...]
    people: int
    stains: int


@dataclass(frozen=True)
class Frame:
    """One picture of a scene: its place in it (0 to 1) and its time."""

    scene: Scene
    number: int
    place: float
    captured_at: datetime


def frame(seed: int, vessel: Vessel, number: int, night_share: float, frames: int | None) -> Frame:
    """Frame `number` of a vessel. frames: pictures a scene, None for bursts of one to four."""
    day = number // (frames or _DAY)
    rng = np.random.default_rng((seed, 6, vessel.index, day))
    bursts = (frames,) if frames else _BURSTS[int(rng.integers(len(_BURSTS)))]
    nights = [bool(rng.random() < night_share) for _ in bursts]
    hours = [float(rng.uniform(19.6, 23.9) if dark else rng.uniform(5.5, 18.8)) for dark in nights]
    order = np.argsort(hours)
    within = number % (frames or _DAY)
    which = 0
    while within >= bursts[which]:
        within -= bursts[which]
        which += 1
    turn = int(order[which])
    start = _START + timedelta(days=day, hours=hours[turn])
    key = (seed, 7, vessel.index, day, which)
    scene = _scene(key, vessel, start.replace(microsecond=0), hours[turn], nights[turn],
                   long=bursts[which] >= _LONG)  # fmt: skip
    gap = 2 + int(np.random.default_rng((*key, 1)).integers(5))
    place = within / max(1, bursts[which] - 1)
    return Frame(scene, within, place, scene.start + timedelta(seconds=gap * within))


def _scene(
    key: tuple[int, ...], vessel: Vessel, start: datetime, hour: float, night: bool, *, long: bool
) -> Scene:
    rng = np.random.default_rng(key)
    codes = list(vessel.mix)
    code = codes[int(rng.choice(len(codes), p=list(vessel.mix.values())))]
    fish = [] if code == NO_FISH else _catch(code, vessel, rng, long=long)
    rain = float(rng.uniform(0.2, 1)) if rng.random() < 0.18 else 0.0
    return Scene(
        key, start, night, hour,
        cloud=float(rng.beta(1.2, 1.2)), rain=rain,
        drops=int(rng.integers(2, 12)) if rain or rng.random() < 0.12 else 0,
        smear=float(rng.uniform(0.4, 1)) if rng.random() < 0.12 else 0.0,
        fish=tuple(fish), people=int(rng.choice(4, p=(0.35, 0.4, 0.2, 0.05))),
        stains=int(rng.integers(0, 7)) if code != NO_FISH else int(rng.integers(0, 3)),
    )  # fmt: skip


def _catch(code: str, vessel: Vessel, rng: np.random.Generator, *, long: bool) -> list[Fish]:
    shares = _FISH.get(code, _FEW)
    species = [code] * (1 + int(rng.choice(len(shares), p=shares)))
    caught = [each for each in KINDS if vessel.mix[each] > 0 and each != code]
    # Now and then another kind lies beside it, as it comes.
    if rng.random() < 0.07:
        weight = np.array([vessel.mix[each] for each in caught])
        species.append(caught[int(rng.choice(len(caught), p=weight / weight.sum()))])
    along = float(rng.uniform(0, 2 * np.pi))
    found = []
    for each in species:
        # Laid out side by side as often as thrown anyhow.
        turn = along + float(rng.normal(0, 0.2)) if rng.random() < 0.5 else rng.uniform(0, 6.28)
        stays = (0.0, 1.0)
        if long:
            first = float(rng.uniform(-0.3, 0.6))
            stays = (first, first + float(rng.uniform(0.25, 0.7)))
        found.append(
            Fish(each, int(rng.integers(INDIVIDUALS)),
                 (float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.15, 0.95))), float(turn),
                 float(np.exp(rng.normal(0, 0.1))), bool(rng.random() < 0.5),
                 float(rng.uniform(0.85, 1.1)), stays)
        )  # fmt: skip
    return found
