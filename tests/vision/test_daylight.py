"""Day and night: colour by day, dark or of one tint at night."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deckwatch_vision.daylight import is_night
from deckwatch_vision.images import decode, encode_jpeg
from tests.vision.pictures import Pixels, scene


def _grey(image: Pixels) -> np.ndarray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def _camera(image: np.ndarray) -> Pixels:
    """As a deck camera would store it: noisy, and compressed hard."""
    noise = np.random.default_rng(3).normal(0, 8, image.shape)
    return decode(encode_jpeg(np.clip(image + noise, 0, 255).astype(np.uint8), 70))


def test_a_coloured_picture_is_day() -> None:
    assert not is_night(_camera(scene(240, 320).astype(np.float32)))


def test_a_dark_picture_is_night_though_it_has_colours_and_a_lamp() -> None:
    dark = scene(240, 320).astype(np.float32) / 8
    dark[:40, :40] = 255
    assert is_night(_camera(dark))


@pytest.mark.parametrize(
    "tint", [(1.0, 1.0, 1.0), (0.6, 1.0, 0.55)], ids=["infrared", "night vision"]
)
def test_one_tint_is_night_however_bright(tint: tuple[float, float, float]) -> None:
    grey = _grey(scene(240, 320))[..., None] * np.array(tint) + 40
    assert np.percentile(grey, 90) > 100
    assert is_night(_camera(grey))


def test_grey_steel_with_orange_overalls_is_day() -> None:
    deck = np.repeat(_grey(scene(240, 320))[..., None], 3, axis=2)
    deck[60:180, 100:180] = (230, 110, 20)
    assert not is_night(_camera(deck))


def test_size_does_not_matter_and_nothing_is_no_night() -> None:
    one_pixel = np.array([[[200, 40, 40]]], np.uint8)
    assert is_night(one_pixel)  # a single colour is a single tint
    assert not is_night(np.zeros((0, 4, 3), np.uint8))
