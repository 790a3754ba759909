"""A small season in the working folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.batch.seasons import pictures, write_season


@pytest.fixture(scope="session")
def jpegs() -> list[bytes]:
    """Eight pictures of nothing, one fish and two."""
    return pictures()


@pytest.fixture
def season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `season` of 12 pictures, four a day, in the working folder."""
    monkeypatch.chdir(tmp_path)
    write_season(tmp_path / "season", 12, a_folder=4)
    return tmp_path / "season"
