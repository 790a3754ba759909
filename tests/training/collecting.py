"""Kept pictures and commands on them, for the tests of collecting and of what comes back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deckwatch_serving.keep import FolderStore, Kept, Origin
from deckwatch_training import catalogue
from deckwatch_training.catalogue import Entry
from deckwatch_training.cli_data import data as app
from deckwatch_vision.likeness import perceptual_hash, thumbnail
from deckwatch_vision.result import Result
from tests.serving.keeping import likelihoods, picture, result, unsure

VESSELS = ("Aurora", "Borealis", "Cetus")


def record(
    seed: int,
    *,
    score: float = 0.5,
    vessel: str | None = None,
    answer: Result | None = None,
    likeness: int | None = None,
) -> tuple[Kept, bytes]:
    data = picture(seed)
    made = answer or unsure(data)
    kept = Kept(
        sha256=str(made.image.sha256), format="jpeg", size=len(data), score=score,
        reasons={"unsure": 0.9}, origin=Origin(vessel, "2", "2026-07-01T05:00:00+00:00"),
        night=bool(seed % 2),
        likeness=perceptual_hash(thumbnail(data)) if likeness is None else likeness,
        kept_at="2026-07-02T00:00:00+00:00", result=made,
    )  # fmt: skip
    return kept, data


def answers(seed: int) -> Result:
    """One to three fish of any species, or none."""
    chance = random.Random(seed)
    data = picture(seed)
    fish = []
    for _ in range(seed % 4):
        code = chance.choice(("OTHER", "SHARK", "RAY"))
        fish.append((chance.uniform(0.5, 1), likelihoods(**{code: chance.uniform(0.4, 0.9)})))
    label = "OTHER" if fish else "NoF"
    return result(data, likelihoods(**{label: 0.6}), *fish)


def keep_twelve(folder: Path) -> None:
    """Twelve pictures of three vessels, as a gateway would have kept them."""
    store = FolderStore(folder)
    for seed in range(12):
        one, data = record(
            seed, score=0.3 + seed / 20, vessel=VESSELS[seed % 3], answer=answers(seed)
        )
        assert store.keep(one, data) == "kept"
    store.close()


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def by_name(data: catalogue.Catalogue) -> dict[str, Entry]:
    return {Path(entry.file).name: entry for entry in data.entries}


def assert_same(found: Entry, wanted: Entry) -> None:
    """Equal in everything that a person or the model says, boxes to a hundredth of a pixel."""
    for key in ("width", "height", "vessel", "camera", "captured_at", "night", "source", "label"):
        assert getattr(found, key) == getattr(wanted, key), key
    assert [box.label for box in found.boxes] == [box.label for box in wanted.boxes]
    for one, other in zip(found.boxes, wanted.boxes, strict=True):
        for key in ("x", "y", "width", "height"):
            assert getattr(one, key) == pytest.approx(getattr(other, key), abs=0.0101)
