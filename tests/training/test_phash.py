"""Our perceptual hash against the library that others use."""

from __future__ import annotations

import numpy as np
from imagehash import phash
from PIL import Image

from deckwatch_vision.likeness import distance, perceptual_hash
from tests.vision.test_likeness import blobs


def test_it_is_the_hash_that_others_call_phash() -> None:
    for seed in range(5):
        scene = blobs(seed)
        others = np.packbits(phash(Image.fromarray(scene)).hash.reshape(-1)).tobytes()
        assert distance(perceptual_hash(scene), int.from_bytes(others, "big")) <= 4
