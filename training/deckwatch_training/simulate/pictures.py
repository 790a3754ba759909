"""Draws one picture: the deck, what lies and stands on it, the weather, the camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deckwatch_training.simulate import decks, lens, people
from deckwatch_training.simulate.fish import KINDS, sprite
from deckwatch_training.simulate.laying import Layer, fineness, onto_deck, warp, window_of
from deckwatch_training.simulate.scenes import Fish, Frame, Scene
from deckwatch_training.simulate.shapes import SHIFT, Points, chaikin, fixed
from deckwatch_training.simulate.vessels import Vessel

Pixels = NDArray[np.uint8]
# From narrower pictures nobody could read the words.
_WRITTEN_FROM = 320
_CORNERS = 12
# Chaikin's cutting is linear: the smooth outline of a stain from its corners, in one product.
_SMOOTH = np.stack(
    [chaikin(np.stack((row, row), 1))[:, 0] for row in np.eye(_CORNERS)],
    1,
)
_AROUND = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
_CIRCLE = np.stack((np.cos(_AROUND), np.sin(_AROUND)), 1)


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
    layer = Layer(empty.pixels.copy(), empty.floor)
    _stains(layer, scene, vessel)
    for number, fish in enumerate(scene.fish):
        if fish.stays[0] <= frame.place <= fish.stays[1]:
            layer.lay(seed, vessel, frame, number)
    for number in range(scene.people):
        _person(layer, frame, vessel, number)
    canvas = lens.exposed(layer.canvas, frame, vessel)
    if vessel.camera.width >= _WRITTEN_FROM:
        _write(canvas, f"{vessel.name}  {frame.captured_at:%Y-%m-%d %H:%M:%S}  SIMULATED")
    return canvas, _seen(layer)


@lru_cache(maxsize=4)
def _deck(seed: int, vessel: Vessel, lookalikes: int) -> decks.Deck:
    empty = decks.paint(vessel, np.random.default_rng((seed, 5, vessel.index)))
    for number in range(lookalikes):
        _lookalike(empty, seed, vessel, number)
    return empty


def _lookalike(empty: decks.Deck, seed: int, vessel: Vessel, number: int) -> None:
    """Something with the outline of a fish that never moves: a painting, a stain, a torn mat."""
    rng = np.random.default_rng((seed, 12, vessel.index, number))
    camera = vessel.camera
    species = sorted(KINDS)[int(rng.integers(len(KINDS)))]
    # An individual that is never laid on deck, of one faded colour.
    painted = sprite(seed, vessel.index, species, 1000 + number, fineness(camera))
    tone = np.array(vessel.hull if rng.random() < 0.5 else (96, 88, 76), np.float32)
    shape = Fish(species, 0, (0, 0), float(rng.uniform(0, 6.28)), float(rng.uniform(0.8, 1.1)),
                 bool(rng.random() < 0.5), 1.0, (0, 1))  # fmt: skip
    places = rng.uniform((0.1, 0.15), (0.9, 0.9), (60, 2)) * (camera.width, camera.height_px)
    for pixel, spot in zip(places, camera.on_deck(places), strict=True):
        if not empty.floor[int(pixel[1]), int(pixel[0])]:
            continue
        matrix = onto_deck(camera, painted, shape, spot)
        warped = None if matrix is None else warp(painted, matrix, empty.pixels.shape)
        if warped is None or np.count_nonzero(warped[1][..., 3] > 127) < 0.8 * warped[2]:
            continue
        window, layer, _ = warped
        share = layer[..., 3:].astype(np.float32) / 255
        grey = layer[..., :3].mean(2, keepdims=True) / np.maximum(share * 128, 1)
        flat = tone * (0.55 + 0.45 * np.clip(grey, 0, 1.6))
        part = empty.pixels[window]
        part[:] = np.clip(part + 0.85 * share * (flat - part), 0, 255).astype(np.uint8)
        return


def _stains(layer: Layer, scene: Scene, vessel: Vessel) -> None:
    """Blood and water on the deck."""
    if not scene.stains:
        return
    rng = np.random.default_rng((*scene.key, 9))
    camera, count = vessel.camera, scene.stains
    at = rng.uniform(0.05, 0.95, (count, 2)) * (camera.width, camera.height_px)
    spots = camera.on_deck(at)[:, None]
    ragged = rng.uniform(0.05, 0.3, (count, 1)) * np.exp(rng.normal(0, 0.22, (count, _CORNERS)))
    rings = _SMOOTH @ (spots + ragged[..., None] * _CIRCLE)
    flat = np.concatenate((rings, np.zeros((*rings.shape[:2], 1))), 2)
    depths = camera.depth(flat).min(1)
    outlines = camera.project(flat)
    bloody = rng.random(count) < 0.6
    shares = rng.uniform(0.2, 0.6, count)
    for outline, depth, blood, share in zip(outlines, depths, bloody, shares, strict=True):
        if depth > 0.3:  # not where the line of sight misses the deck: that is NaN
            colour = (112, 24, 22) if blood else (52, 60, 66)
            _tint(layer, outline, colour, float(share) * (1.0 if blood else 0.6))


def _tint(layer: Layer, points: Points, colour: tuple[int, int, int], share: float) -> None:
    window = window_of(points, layer.canvas.shape)
    if window is None:
        return
    part = layer.canvas[window]
    mask = np.zeros(part.shape[:2], np.uint8)
    corner = (window[1].start, window[0].start)
    cv2.fillPoly(mask, [fixed(points - corner)], (255,), cv2.LINE_AA, SHIFT)
    cover = (mask * layer.floor[window]).astype(np.float32)[..., None] * (share / 255)
    part[:] = (part + cover * (np.array(colour, np.float32) - part)).astype(np.uint8)


def _person(layer: Layer, frame: Frame, vessel: Vessel, number: int) -> None:
    """Somebody at work on one of the fish, or standing about."""
    rng = np.random.default_rng((*frame.scene.key, 11, number))
    camera = vessel.camera
    turn = float(rng.uniform(0, 2 * np.pi))
    at = np.array((rng.uniform(-0.8, 0.8) * vessel.side, rng.uniform(0.3, 0.95) * vessel.reach))
    step = rng.normal(0, 0.12, 2) * frame.number
    busy, hands = rng.random() < 0.6, rng.normal(0, 0.12, 2)
    reach, away = None, float(rng.uniform(0.5, 0.8))
    if busy and layer.laid:
        spot = camera.on_deck(layer.laid[int(rng.integers(len(layer.laid)))].middle)
        at = spot - away * np.array((np.sin(turn), np.cos(turn)))
        reach = np.array((*(spot + hands), 0.0))
        step *= 0.25
    figure = people.figure(people.stand(rng, at + step, turn, reach), camera)
    if figure is None:
        return
    if layer.hide(figure.mask(camera.height_px, camera.width)):
        figure.draw(layer.canvas)


def _write(canvas: Pixels, text: str) -> None:
    """The line that recorders burn into their pictures."""
    height, width = canvas.shape[:2]
    scale, at = width / 1500, (width // 80, height - height // 50 - 2)
    for colour, thick in (((20, 20, 20), 2), ((235, 235, 235), 1)):
        cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thick, cv2.LINE_AA)


def _seen(layer: Layer) -> list[Seen]:
    found = []
    for number, laid in enumerate(layer.laid, start=1):
        x, y, width, height = cv2.boundingRect((layer.owner == number).astype(np.uint8))
        if width > 1 and height > 1:
            found.append(Seen(laid.fish.species, (x, y, width, height)))
    return found
