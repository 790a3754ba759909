"""Augmented copies cut to their fish: the weights file names the crops, and training takes it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from deckwatch_serving.repository import find_repository
from deckwatch_training import catalogue, retrain_config, retrain_data, simulate
from deckwatch_training.dataset import read_coco
from deckwatch_training.label_files import LABELS_AND_WEIGHTS
from deckwatch_training.retrain import Retraining
from deckwatch_training.retrain_config import RetrainConfig
from deckwatch_training.sampling import WeightsFile
from deckwatch_vision.errors import UsageError
from deckwatch_vision.species import NO_FISH
from tests.training.test_retrain import write_config

MODEL = find_repository()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two sides, half of whose pictures have a species but no boxes."""
    folder = tmp_path_factory.mktemp("half")
    simulate.write(folder / "pictures", pictures=16, vessels=2, seed=5, size=(320, 192))
    whole = catalogue.read(folder / "pictures")
    entries = []
    for number, entry in enumerate(whole.entries):
        side = "valid" if number % 4 == 0 else "train"
        bare = number % 2 == 1 and entry.boxes
        changed = replace(entry, boxes=(), label=entry.boxes[0].label) if bare else entry
        entries.append(replace(changed, split=side))
    catalogue.write(replace(whole, entries=tuple(entries)), folder / "pictures" / catalogue.FILE)
    return folder / "pictures"


def config_of(folder: Path, **crop: object) -> RetrainConfig:
    return retrain_config.load(write_config(folder, crop=crop, augment={"copies": 1, "workers": 1}))


@pytest.mark.parametrize("no_fish", ["whole", "skip"])
def test_crops_of_augmented_pictures_keep_their_weights(
    split: Path, tmp_path: Path, no_fish: str
) -> None:
    config = config_of(tmp_path, model=str(MODEL), no_fish=no_fish)
    retrain_data.augment(config, split, tmp_path / "augmented")
    retrain_data.crop(config, MODEL, tmp_path / "augmented", tmp_path / "crops")
    crops = tmp_path / "crops"
    train = read_coco(crops / catalogue.FILE, split="train", only=True)
    assert all(picture.path.is_file() for picture in train.pictures)
    weights = WeightsFile(crops / LABELS_AND_WEIGHTS, catalogue.read(crops).root)
    cut = [p for p in train.pictures if not len(p.boxes) and p.label not in (None, NO_FISH)]
    assert no_fish == "skip" or cut, "no picture was cut, so nothing was tried"
    assert all("crops" in picture.path.parts for picture in cut)
    assert all(picture.weight > 0 for picture in weights.apply(train).pictures)


def test_the_model_that_crops_is_an_input_by_its_content(split: Path, tmp_path: Path) -> None:
    shutil.copytree(MODEL, tmp_path / "finder")
    config = config_of(tmp_path, model=str(tmp_path / "finder"))

    def given() -> object:
        (stage,) = [each for each in Retraining(config).stages() if each.name == "crop"]
        return stage.inputs["model"]

    before = given()
    release = tmp_path / "finder" / "deckwatch" / "1" / "release.json"
    release.write_text(release.read_text().replace('"name": "demo"', '"name": "another"'))
    assert before != given()


def test_crop_without_a_model_needs_a_live_release(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Give crop\.model"):
        Retraining(config_of(tmp_path, no_fish="whole")).stages()
