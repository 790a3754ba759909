"""`deckwatch data simulate` as it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deckwatch_training import catalogue
from deckwatch_training.cli_data import data
from deckwatch_vision.errors import UsageError


def simulate(*given: str) -> str:
    result = CliRunner().invoke(data, ["simulate", *given], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_draws_what_is_asked_for_and_says_what_there_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = (
        "--out",
        str(out),
        "--vessels",
        "3",
        "--size",
        "96x64",
        "--night",
        "0",
        "--workers",
        "1",
    )
    told = simulate(*given, "--pictures", "6", "--splits")
    assert f"6 simulated pictures in {out}" in told
    made = catalogue.read(out)
    assert len(made) == 6
    assert {(e.width, e.height, e.night) for e in made.entries} == {(96, 64, False)}
    assert {e.split for e in made.entries} == {"train", "calibrate", "valid"}
    # The same command again, and a longer one, continue.
    simulate(*given, "--pictures", "6", "--splits")
    simulate(*given, "--pictures", "9", "--splits")
    assert len(catalogue.read(out)) == 9


@pytest.mark.parametrize("size", ["640", "640x", "axb", "-640x360"])
def test_a_size_that_is_none_is_refused(size: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give width x height"):
        simulate("--out", str(tmp_path / "out"), "--size", size)
