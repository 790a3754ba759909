"""A small data set that the tiny release (see tests/tiny_release.py) can be measured on.

Squares on a deck, four vessels, one of them at night. The release goes by colour, so what it says
is neither all right nor all wrong, and the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deckwatch_training import catalogue
from deckwatch_training.catalogue import Box, Catalogue, Entry
from deckwatch_vision.images import encode_jpeg
from tests.tiny_release import COLOURS

SIZE = 96
# What is drawn in the colour of another species: the release will be wrong about it.
DISGUISED = {"SHARK": "OTHER"}


def write_deck(folder: Path, *, vessels: int = 4, each: int = 4, seed: int = 0) -> Path:
    """`vessels` x `each` pictures with up to two squares; the folder, with its data.json."""
    rng = np.random.default_rng(seed)
    entries = []
    for vessel in range(vessels):
        for number in range(each):
            night = vessel == vessels - 1
            pixels = rng.integers(0, 30, (SIZE, SIZE, 3), np.uint8)
            boxes = []
            for place in range(number % 3):
                species = ("OTHER", "SHARK", "RAY")[(vessel + number + place) % 3]
                drawn = DISGUISED[species] if night and species in DISGUISED else species
                x, y = 4 + 48 * place, int(rng.integers(4, SIZE - 36))
                side = int(rng.integers(22, 34))
                pixels[y : y + side, x : x + side] = COLOURS[drawn]
                boxes.append(Box(species, x, y, side, side))
            file = f"v{vessel}/{number}.jpg"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(encode_jpeg(pixels, 95))
            entries.append(
                Entry(
                    file, SIZE, SIZE, tuple(boxes), vessel=f"v{vessel}", night=night, split="valid"
                )
            )
    catalogue.write(Catalogue(folder, tuple(entries)), folder / catalogue.FILE)
    return folder


def change(folder: Path, entries: list[Entry]) -> None:
    """Write other entries into a deck's data.json."""
    path = folder / catalogue.FILE
    catalogue.write(catalogue.read(path).having(entries), path)
