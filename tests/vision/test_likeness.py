"""Near duplicates: the same scene hashes alike, another one does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deckwatch_vision.errors import BrokenImage
from deckwatch_vision.images import encode_jpeg
from deckwatch_vision.likeness import NEAR, distance, distances, perceptual_hash, thumbnail
from tests.vision.pictures import Pixels, encoded


def blobs(seed: int, height: int = 240, width: int = 320) -> Pixels:
    """A smooth random picture; every seed another scene."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("seed", range(5))
def test_the_same_scene_stays_near(seed: int) -> None:
    scene = blobs(seed)
    noise = np.random.default_rng(seed).normal(0, 6, scene.shape)
    brighter = np.clip(scene * 1.1 + noise + 5, 0, 255).astype(np.uint8)
    for other in (brighter, cv2.resize(scene, (160, 120)), thumbnail(encode_jpeg(scene, 60))):
        assert distance(perceptual_hash(scene), perceptual_hash(np.asarray(other))) <= NEAR


def test_other_scenes_are_far() -> None:
    hashes = [perceptual_hash(blobs(seed)) for seed in range(20)]
    apart = [distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > 2 * NEAR
    assert 24 < np.mean(apart) < 40  # independent bits differ in half of 64


def test_distances_are_those_of_each() -> None:
    hashes = [0, 1, 2**64 - 1, 0xF0F0, perceptual_hash(blobs(3))]
    found = distances(hashes[4], np.array(hashes, np.uint64))
    assert found.tolist() == [distance(hashes[4], each) for each in hashes]
    assert distances(7, np.array([], np.uint64)).tolist() == []


def test_a_thumbnail_is_small_and_of_any_format() -> None:
    scene = blobs(1, 1080, 1920)
    assert thumbnail(encode_jpeg(scene)).shape == (135, 240, 3)
    assert thumbnail(encoded(scene, "PNG")).shape == (1080, 1920, 3)
    with pytest.raises(BrokenImage):
        thumbnail(encode_jpeg(scene)[:200])
