"""`deckwatch evaluate --folds`: real nets, each measured on vessels that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from deckwatch_training import catalogue, cli_evaluate, metrics
from deckwatch_vision.errors import UsageError


def command(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(cli_evaluate.evaluate)
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(autouse=True)
def short(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch, and few draws: this is not about how wide intervals are."""
    monkeypatch.setattr(metrics, "DRAWS", 40)
    for name in ("detector", "classifier"):
        document = yaml.safe_load((configs / f"{name}.yaml").read_text())
        document["run"]["epochs"] = 1
        (configs / f"{name}.yaml").write_text(yaml.safe_dump(document))


def test_every_vessel_is_measured_once_by_nets_that_have_not_seen_it(configs: Path) -> None:
    out = configs / "folds"
    both = ("-c", configs / "detector.yaml", "-c", configs / "classifier.yaml")
    result = command("--folds", 2, *both, "--out", out)
    assert result.exit_code == 0, result.output
    card = json.loads((out / "scorecard.json").read_text())
    measured = [vessel for fold in card["folds"] for vessel in fold["vessels"]]
    assert sorted(measured) == sorted({f"boat-{i}" for i in range(8)})
    assert card["overall"]["pictures"] == 26
    counts = [sum(map(sum, part["picture"]["confusion"].values())) for part in card["folds"]]
    overall = sum(map(sum, card["overall"]["picture"]["confusion"].values()))
    assert overall == sum(counts) == 26
    for number, fold in enumerate(card["folds"], start=1):
        entries = catalogue.read(out / f"fold-{number}").entries
        learnt = {e.vessel for e in entries if e.split != "valid"}
        assert learnt
        assert not learnt & set(fold["vessels"])
    html = (out / "scorecard.html").read_text()
    assert "Fold by fold" in html
    assert "By day and night" in html
    assert "mean and deviation" in result.stdout

    stamps = {path: path.stat().st_mtime_ns for path in out.glob("fold-*/*/last.pt")}
    assert len(stamps) == 4
    before = (out / "scorecard.json").read_text()
    assert command("--folds", 2, *both, "--out", out).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "nothing trains again"
    assert (out / "scorecard.json").read_text() == before

    other = command("--folds", 3, *both, "--out", out)
    assert isinstance(other.exception, UsageError)
    assert "other folds" in other.exception.message


def test_a_classifier_alone(configs: Path) -> None:
    out = configs / "folds"
    result = command("--folds", 2, "-c", configs / "classifier.yaml", "--out", out)
    assert result.exit_code == 0, result.output
    card = json.loads((out / "scorecard.json").read_text())
    boxes = sum(len(e.boxes) for e in catalogue.read(out).entries)
    assert card["overall"]["species"]["boxes"] == boxes
    assert "detector" not in card["overall"]
    assert "Naming species, boxes given" in (out / "scorecard.html").read_text()


def test_a_detector_alone(configs: Path) -> None:
    out = configs / "folds"
    result = command("--folds", 2, "-c", configs / "detector.yaml", "--out", out)
    assert result.exit_code == 0, result.output
    card = json.loads((out / "scorecard.json").read_text())
    entries = catalogue.read(out).entries
    assert card["overall"]["fish"] == sum(b.label != "disc" for e in entries for b in e.boxes)
    assert "species" not in card["overall"]
    assert "Finding fish" in (out / "scorecard.html").read_text()


def test_configurations_that_do_not_fit_are_refused(configs: Path) -> None:
    twice = ("-c", configs / "detector.yaml", "-c", configs / "detector.yaml")
    result = command("--folds", 2, *twice, "--out", configs / "folds")
    assert isinstance(result.exception, UsageError)
    assert "Two configurations train a detector" in result.exception.message
    few = command("--folds", 9, "-c", configs / "detector.yaml", "--out", configs / "folds")
    assert isinstance(few.exception, UsageError)
    assert "9 folds of 8 vessels" in few.exception.message
