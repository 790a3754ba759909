"""Draws one picture: the deck, what lies and stands on it, the weather, the camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate import decks, lens, people
from deckwatch_training.simulate.fish import HALF, LEFT, Sprite, sprite
from deckwatch_training.simulate.scenes import Fish, Frame, Scene
from deckwatch_training.simulate.shapes import SHIFT, Points, chaikin, fixed
from deckwatch_training.simulate.vessels import Vessel

Pixels = NDArray[np.uint8]
# A fish of which the frame, people or other fish leave less than this in sight is not laid there.
VISIBLE = 0.3
# Its box has sides of at least that share of the picture's width.
SMALLEST = 0.03


@dataclass(frozen=True)
class Seen:
    """A fish in a picture: species and box x, y, width, height of what is visible of it."""

    species: str
    box: tuple[int, int, int, int]


def render(
    seed: int, vessel: Vessel, frame: Frame, lookalikes: int = 0
) -> tuple[Pixels, list[Seen]]:
    """The picture, RGB uint8 [H, W, 3], before it is encoded, and the fish in it."""
    scene = frame.scene
    empty = _deck(seed, vessel, lookalikes)
    canvas = empty.pixels.copy()
    _stains(canvas, empty, scene, vessel)
    # Which fish each pixel shows: 0 none, else its number.
    owner = np.zeros(canvas.shape[:2], np.uint8)
    laid: list[tuple[Fish, int, Points]] = []
    for fish in scene.fish:
        if fish.stays[0] <= frame.place <= fish.stays[1]:
            _lay(canvas, owner, laid, seed, vessel, frame, fish, empty)
    _people(canvas, owner, laid, frame, vessel)
    seen = _boxes(owner, laid)
    if scene.night:
        canvas = lens.night(canvas, scene, vessel)
    else:
        canvas = lens.daylight(canvas, scene, vessel)
    canvas = lens.weather(canvas, frame)
    rng = np.random.default_rng((*scene.key, 8, frame.number))
    sigma = vessel.noise * (3.5 if scene.night else 1.0)
    return lens.noise(canvas, sigma, rng, grey=scene.night), seen


@lru_cache(maxsize=24)
def _deck(seed: int, vessel_: Vessel, lookalikes: int) -> decks.Deck:
    rng = np.random.default_rng((seed, 5, vessel_.index))
    return decks.paint(vessel_, rng)


def _stains(canvas: Pixels, empty: decks.Deck, scene: Scene, vessel: Vessel) -> None:
    """Blood and water on the deck."""
    rng = np.random.default_rng((*scene.key, 9))
    camera = vessel.camera
    for _ in range(scene.stains):
        at = rng.uniform(0.05, 0.95, 2) * (camera.width, camera.height_px)
        spot = camera.on_deck(*at)
        radius = float(rng.uniform(0.06, 0.35))
        around = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        ragged = radius * np.exp(rng.normal(0, 0.35, 14))
        blood = rng.random() < 0.6
        share = float(rng.uniform(0.25, 0.65))
        if spot is None:
            continue
        ring = np.stack((spot[0] + ragged * np.cos(around), spot[1] + ragged * np.sin(around)), 1)
        ring = chaikin(ring)
        flat = np.column_stack((ring, np.zeros(len(ring))))
        if camera.depth(flat).min() < 0.3:
            continue
        points = camera.project(flat)
        colour = np.array((112, 24, 22) if blood else (52, 60, 66), np.float32)
        _tint(canvas, points, colour, share * (1.0 if blood else 0.6), empty.floor)


def _window(points: Points, shape: tuple[int, ...], margin: int = 2) -> tuple[slice, slice] | None:
    """The rows and columns that the points span within the picture."""
    low = np.maximum(np.floor(points.min(0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(points.max(0)).astype(int) + margin + 1, (shape[1], shape[0]))
    if (high - low).min() < 2:
        return None
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _tint(
    canvas: Pixels, points: Points, colour: NDArray[np.float32], share: float,
    where: NDArray[np.bool_],
) -> None:  # fmt: skip
    window = _window(points, canvas.shape)
    if window is None:
        return
    part = canvas[window]
    mask = np.zeros(part.shape[:2], np.uint8)
    corner = (window[1].start, window[0].start)
    cv2.fillPoly(mask, [fixed(points - corner)], 255, cv2.LINE_AA, SHIFT)
    cover = (mask * where[window]).astype(np.float32)[..., None] * (share / 255)
    part += (cover * (colour - part)).astype(np.int16).astype(np.uint8)


def _lay(
    canvas: Pixels, owner: NDArray[np.uint8], laid: list[tuple[Fish, int, Points]], seed: int,
    vessel: Vessel, frame: Frame, fish: Fish, empty: decks.Deck,
) -> None:  # fmt: skip
    """Lay a fish on the deck where it can be seen; it is left out where there is no room."""
    rng = np.random.default_rng((*frame.scene.key, 10, frame.scene.fish.index(fish)))
    camera = vessel.camera
    # The pictures of a burst show the same fish, dragged on a little.
    drag = rng.normal(0, 0.012, 2) * frame.number
    scale = 64
    while scale < camera.width * 0.4:
        scale *= 2
    painted = sprite(seed, vessel.index, fish.species, fish.individual, scale)
    for attempt in range(8):
        at = fish.at if attempt == 0 else tuple(rng.uniform((0.08, 0.12), (0.92, 0.95)))
        x, y = at[0] * camera.width, at[1] * camera.height_px
        if not empty.floor[int(y), int(x)]:
            continue
        spot = camera.on_deck(x, y)
        if spot is None:
            continue
        to_picture = _onto_deck(camera.deck, painted, fish, spot + drag)
        corners = _corners(painted, to_picture)
        if corners is None:
            continue
        window = _window(corners, canvas.shape)
        if window is None:
            continue
        if _stamp(canvas, owner, laid, fish, painted, to_picture, window, corners):
            return


def _onto_deck(
    deck: NDArray[np.float64], painted: Sprite, fish: Fish, spot: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Homography from the sprite's first level to the picture."""
    metres = painted.length * fish.size / painted.scale
    middle = ((0.5 - LEFT) * painted.scale, HALF * painted.scale)
    flip = -1.0 if fish.mirrored else 1.0
    c, s = np.cos(fish.turn), np.sin(fish.turn)
    to_deck = np.array(
        (
            (metres * c, metres * flip * s, spot[0]),
            (metres * s, -metres * flip * c, spot[1]),
            (0, 0, 1),
        )
    ) @ np.array(((1, 0, -middle[0]), (0, 1, -middle[1]), (0, 0, 1)))
    found: NDArray[np.float64] = deck @ to_deck
    return found


def _corners(painted: Sprite, matrix: NDArray[np.float64]) -> Points | None:
    height, width = painted.levels[0].shape[:2]
    corners = np.array(((0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)), float)
    seen = corners @ matrix.T
    if seen[:, 2].min() < 0.3:
        return None
    found: Points = seen[:, :2] / seen[:, 2:]
    return found


def _stamp(
    canvas: Pixels, owner: NDArray[np.uint8], laid: list[tuple[Fish, int, Points]], fish: Fish,
    painted: Sprite, matrix: NDArray[np.float64], window: tuple[slice, slice], corners: Points,
) -> bool:  # fmt: skip
    """Paint a fish and its shadow; False, and nothing painted, where too little would be seen."""
    sides = np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1)
    # The level that is nearest above the size at which it is seen.
    ratio = painted.levels[0].shape[1] / max(1.0, float(sides[[1, 3]].max()))
    level = int(np.clip(np.floor(np.log2(max(1.0, ratio))), 0, len(painted.levels) - 1))
    down = painted.levels[0].shape[1] / painted.levels[level].shape[1]
    shift = np.array(((1, 0, -window[1].start), (0, 1, -window[0].start), (0, 0, 1)), float)
    place = shift @ matrix @ np.diag((down, down, 1.0))
    part = canvas[window]
    size = (part.shape[1], part.shape[0])
    layer = cv2.warpPerspective(painted.levels[level], place, size, flags=cv2.INTER_LINEAR)
    alpha = layer[..., 3]
    mine = alpha > 110
    area, whole = int(mine.sum()), _area(painted, level, place, mine.shape)
    width = canvas.shape[1]
    if area < (SMALLEST * width) ** 2 or area < 0.55 * whole:
        return False
    held = owner[window]
    for other, count, _ in laid:
        number = [each[0] for each in laid].index(other) + 1
        left = int((owner == number).sum()) - int((held[mine] == number).sum())
        if left < 0.5 * count:
            return False
    # A soft shadow towards the lower right, then the fish.
    offset = max(1, round(width / 240))
    shade = cv2.blur(np.roll(alpha, (offset, offset), (0, 1)), (2 * offset + 1,) * 2)
    dark = (255 - shade * 0.5).astype(np.uint8)
    lit = cv2.multiply(part, cv2.merge([dark] * 3), scale=1 / 255)
    keep = cv2.merge([255 - alpha] * 3)
    fishy = cv2.convertScaleAbs(layer[..., :3], alpha=fish.shade)
    canvas[window] = cv2.add(cv2.multiply(lit, keep, scale=1 / 255), fishy)
    laid.append((fish, area, corners))
    held[mine] = len(laid)
    return True


def _area(painted: Sprite, level: int, place: NDArray[np.float64], shape: tuple[int, int]) -> float:
    """Pixels that the whole fish would cover, were the frame larger: at its middle's scale."""
    sprite_ = painted.levels[level]
    middle = np.array((sprite_.shape[1] / 2, sprite_.shape[0] / 2, 1.0))
    seen = place @ middle
    scale = abs(float(np.linalg.det(place))) / float(seen[2]) ** 3
    return float((sprite_[..., 3] > 110).sum()) * scale


def _people(
    canvas: Pixels, owner: NDArray[np.uint8], laid: list[tuple[Fish, int, Points]], frame: Frame,
    vessel: Vessel,
) -> None:  # fmt: skip
    scene, camera = frame.scene, vessel.camera
    for i in range(scene.people):
        rng = np.random.default_rng((*scene.key, 11, i))
        limbs = _somebody(rng, vessel, laid, i, frame)
        shapes = people.outline(limbs, camera)
        mask = np.zeros(owner.shape, np.uint8)
        for points in shapes:
            cv2.fillConvexPoly(mask, points, 255, cv2.LINE_AA, SHIFT)
        hidden = mask > 110
        # Nobody stands so that a fish cannot be told any more.
        if any((owner[~hidden] == k + 1).sum() < VISIBLE * laid[k][1] for k in range(len(laid))):
            continue
        people.draw(canvas, limbs, camera)
        owner[hidden] = 0


def _somebody(
    rng: np.random.Generator, vessel: Vessel, laid: list[tuple[Fish, int, Points]], i: int,
    frame: Frame,
) -> list[people.Limb]:  # fmt: skip
    """At work on one of the fish, or standing about."""
    camera = vessel.camera
    if laid and rng.random() < 0.6:
        corners = laid[int(rng.integers(len(laid)))][2]
        spot = camera.on_deck(*corners.mean(0))
        if spot is not None:
            side = float(rng.uniform(0, 2 * np.pi))
            away = float(rng.uniform(0.5, 0.8))
            step = rng.normal(0, 0.03, 2) * frame.number
            at = spot + away * np.array((np.sin(side), np.cos(side))) + step
            hand = spot + rng.normal(0, 0.12, 2)
            return people.person(rng, at, side + np.pi, np.array((*hand, 0.0)))
    walk = rng.normal(0, 0.12, 2) * frame.number
    at = np.array((rng.uniform(-0.8, 0.8) * vessel.side, rng.uniform(0.3, 0.95) * vessel.reach))
    return people.person(rng, at + walk, float(rng.uniform(0, 2 * np.pi)), None)


def _boxes(owner: NDArray[np.uint8], laid: list[tuple[Fish, int, Points]]) -> list[Seen]:
    found = []
    for number, (fish, _, _) in enumerate(laid, start=1):
        mask = (owner == number).astype(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        if width > 1 and height > 1:
            found.append(Seen(fish.species, (x, y, width, height)))
    return found
