"""A few small pictures of two vessels with their label file, and the parts that tests share."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deckwatch_training.label_files import LabelRow, write_rows
from deckwatch_vision.images import encode_jpeg

SIZE = (96, 64)  # width, height
BOX = (30.0, 20.0, 36.0, 16.0)


def deck(seed: int, *, fish: bool = True) -> np.ndarray:
    """A coloured, noisy deck with a white ellipse that fills BOX."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 110, (SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:, : SIZE[0] // 2, 0] += 90
    pixels[: SIZE[1] // 2, :, 2] += 60
    if fish:
        x, y, w, h = BOX
        middle = (round(x + w / 2), round(y + h / 2))
        cv2.ellipse(pixels, middle, (round(w / 2), round(h / 2)), 0, 0, 360, (255, 255, 255), -1)
    return pixels


def night(seed: int) -> np.ndarray:
    """A green frame of a night-vision camera."""
    grey = cv2.cvtColor(deck(seed), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey[..., None] * (0.2, 0.6, 0.25), np.uint8)


def write_pictures(folder: Path, number: int = 8) -> list[LabelRow]:
    """Decks of two vessels, the last without fish; the rows of their label file."""
    rows = []
    for i in range(number):
        name = f"boat-{i % 2}/{i:02}.jpg"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        empty = i == number - 1
        path.write_bytes(encode_jpeg(deck(i, fish=not empty), 95))
        vessel = f"boat-{i % 2}"
        label = "NoF" if empty else ("SHARK" if i == 1 else "ALB")
        rows.append(LabelRow(name, label, vessel, None if empty else BOX))
    return rows


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of pictures and their label file."""
    folder = tmp_path / "photos"
    labels = tmp_path / "labels.csv"
    write_rows(labels, write_pictures(folder), weights=False)
    return folder, labels


@pytest.fixture
def night_frames(tmp_path: Path) -> Path:
    """Three real night frames, and a day picture among them."""
    folder = tmp_path / "night"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.jpg").write_bytes(encode_jpeg(night(i)))
    (folder / "day.jpg").write_bytes(encode_jpeg(deck(1)))
    return folder
