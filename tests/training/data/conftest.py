"""A small simulated data set of several vessels, drawn once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest

from deckwatch_training import looks, simulate
from deckwatch_training.catalogue import Catalogue
from deckwatch_training.looks import Look


@pytest.fixture(scope="session")
def vessels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalogue, list[Look]]:
    """Folder, data set and looks of 48 pictures of six vessels, a third of them at night."""
    folder = tmp_path_factory.mktemp("vessels")
    data = simulate.write(folder, pictures=48, vessels=6, seed=5, size=(320, 180))
    seen = looks.survey([data.path(entry) for entry in data.entries], workers=1)
    assert all(isinstance(look, Look) for look in seen)
    looks.write(folder, seen)
    return folder, data, [look for look in seen if isinstance(look, Look)]
