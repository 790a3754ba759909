"""A data set small enough to train on in seconds: bright bars are fish, discs are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

SPECIES = {"bar": "OTHER", "stripe": "SHARK", "disc": "NoF"}
COLOURS = {"bar": (230, 60, 40), "stripe": (40, 60, 230), "disc": (60, 200, 60)}


def _draw(canvas: np.ndarray, name: str, x: int, y: int, w: int, h: int) -> None:
    if name == "disc":
        cv2.ellipse(
            canvas, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, COLOURS[name], -1
        )
    else:
        cv2.rectangle(canvas, (x, y), (x + w, y + h), COLOURS[name], -1)


def write_data(folder: Path, count: int, seed: int) -> Path:
    """`count` pictures of 96 x 72 with one to three things on each, and their COCO file."""
    rng = np.random.default_rng(seed)
    names = sorted(SPECIES)
    document: dict = {"images": [], "annotations": [], "categories": []}
    document["categories"] = [{"id": i, "name": name} for i, name in enumerate(names)]
    (folder / "pictures").mkdir(parents=True)
    for i in range(count):
        canvas = rng.integers(90, 130, (72, 96, 3), np.uint8)
        file = f"pictures/IMG_{i * 10:04d}.jpg"
        document["images"].append(
            {"id": i, "file_name": file, "width": 96, "height": 72, "vessel": f"boat-{i // 2}"}
        )
        for _ in range(rng.integers(1, 4)):
            kind = int(rng.integers(len(names)))
            w, h = int(rng.integers(16, 40)), int(rng.integers(12, 24))
            x, y = int(rng.integers(0, 96 - w)), int(rng.integers(0, 72 - h))
            _draw(canvas, names[kind], x, y, w, h)
            document["annotations"].append(
                {"id": len(document["annotations"]), "image_id": i, "category_id": kind,
                 "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0}
            )  # fmt: skip
        cv2.imwrite(str(folder / file), canvas[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    path = folder / "data.coco.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="session", autouse=True)
def untracked() -> Iterator[None]:
    """Trainings of the tests start no MLflow; the tests of tracking switch it on again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DECKWATCH_MLFLOW", "off")
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """COCO files of a training and a valid set."""
    root = tmp_path_factory.mktemp("data")
    return write_data(root / "train", 16, 0), write_data(root / "valid", 10, 1)


@pytest.fixture
def configs(data: tuple[Path, Path], tmp_path: Path) -> Path:
    """A folder with detector.yaml, classifier.yaml and release.yaml for that data."""
    train, valid = data
    common = {
        "data": {
            "train": str(train), "valid": str(valid), "species": SPECIES, "held_back": 0.25,
            "name": "bars and discs", "licence": "CC0", "attribution": "made by the tests",
        },
        "run": {"epochs": 2, "batch": 4, "workers": 0, "threads": 1, "warmup_steps": 2,
                "ema": 0.5, "validate_every": 1},
    }  # fmt: skip
    detector = common | {
        "task": "detector", "name": "detector",
        "model": {"architecture": "yolox_nano", "input_size": 64},
    }  # fmt: skip
    classifier = common | {
        "task": "classifier", "name": "classifier",
        "model": {"architecture": "squeezenet1_1", "input_size": 64, "context": 1.2},
    }  # fmt: skip
    release = {
        "name": "bars", "version": 3, "detector": "detector.yaml", "classifier": "classifier.yaml",
        "detector_run": str(tmp_path / "runs/detector"),
        "classifier_run": str(tmp_path / "runs/classifier"),
        "parity_pictures": 4, "card": "Made by the tests.",
    }  # fmt: skip
    for name, content in (("detector", detector), ("classifier", classifier), ("release", release)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return tmp_path
