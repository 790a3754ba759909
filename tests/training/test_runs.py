"""Training, resuming, exporting and measuring, end to end on tiny nets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from deckwatch_serving.local import LocalRecogniser
from deckwatch_serving.repository import open_release
from deckwatch_training import (
    checkpoints,
    cli_evaluate,
    cli_export,
    cli_train,
    config,
    detectors,
    export,
    runs,
)
from deckwatch_training.classification import ClassificationTask
from deckwatch_training.dataset import read_coco
from deckwatch_training.detection import DetectionTask
from deckwatch_vision.errors import UsageError


class PowerCutError(Exception):
    """The machine stops in the middle of an epoch."""


def command_of(function: Callable[..., None]) -> typer.Typer:
    """A command as `deckwatch` hangs it up."""
    app = typer.Typer()
    app.command()(function)
    return app


def _rows(folder: Path) -> list[dict[str, float]]:
    return checkpoints.untimed(checkpoints.read_log(folder / "log.jsonl"))


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_a_run_that_was_cut_off_ends_like_one_that_was_not(
    configs: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = config.load(configs / f"{task}.yaml", ["run.epochs=3"])
    whole = runs.train(loaded, configs / "whole")

    kind: Any = DetectionTask if task == "detector" else ClassificationTask
    batches = kind.batches

    def cut(self: Any, epoch: int, start: int = 0) -> Iterable[Any]:
        for i, batch in enumerate(batches(self, epoch, start)):
            if epoch == 1 and i == 1:
                raise PowerCutError
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(kind, "batches", cut)
        with pytest.raises(PowerCutError):
            runs.train(loaded, configs / "cut")
    assert len(_rows(configs / "cut")) == 1
    again = runs.train(loaded, configs / "cut")
    assert _rows(configs / "cut") == _rows(configs / "whole")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_another_configuration_is_not_continued(configs: Path) -> None:
    path = configs / "detector.yaml"
    runs.train(config.load(path, ["run.epochs=1"]), configs / "run")
    with pytest.raises(UsageError, match="another configuration"):
        runs.train(config.load(path, ["run.lr=0.001", "run.epochs=1"]), configs / "run")
    runs.train(config.load(path, ["run.lr=0.001", "run.epochs=1"]), configs / "run", fresh=True)


@pytest.mark.parametrize("name", sorted(set(detectors.DETECTORS) - {"yolox_tiny"}))
def test_every_detector_learns_and_exports_as_it_answers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = detectors.build(name, 64).train()
    canvas = torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8)
    truths = [torch.tensor([[8.0, 8, 40, 30]]), torch.zeros(0, 4)]
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = net.losses(canvas, truths)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    path = tmp_path / "net.onnx"
    export.export_detector(net, 64, path)
    parity = export.check_parity(net, path, list(canvas.numpy()), detector=True)
    assert parity.max_difference < 1e-3
    with torch.no_grad():
        list(net.parameters())[-1].add_(1.0)
    with pytest.raises(UsageError, match="differs from torch"):
        export.check_parity(net, path, list(canvas.numpy()), detector=True)


def test_train_export_evaluate_by_command(configs: Path) -> None:
    runner, repository = CliRunner(), configs / "repository"
    for task in ("detector", "classifier"):
        out = str(configs / "runs" / task)
        command = [task, "--config", str(configs / f"{task}.yaml"), "--out", out]
        result = runner.invoke(cli_train.train, command)
        assert result.exit_code == 0, result.output
    command = ["--config", str(configs / "release.yaml"), "--repository", str(repository)]
    result = runner.invoke(command_of(cli_export.export), command)
    assert result.exit_code == 0, result.output
    assert "Release bars 3 stands in" in result.output

    release = open_release(repository)  # every file against its digest
    assert release.labels.codes == ("NoF", "OTHER", "SHARK")
    assert (repository / "deckwatch/3/labels.txt").read_text() == "NoF\nOTHER\nSHARK\n"
    assert release.detector.candidate_threshold <= release.fusion.score_threshold
    card = (repository / "deckwatch/3/MODEL_CARD.md").read_text()
    assert "Made by the tests." in card
    assert "bars and discs, CC0: made by the tests" in card

    valid = read_coco(config.load(configs / "detector.yaml").data.valid)
    recogniser = LocalRecogniser(repository)
    answer = recogniser.recognise(valid.pictures[0].path.read_bytes())
    assert sum(answer.likelihoods.values()) == pytest.approx(1, abs=1e-5)

    card_file = configs / "card.json"
    command = ["--config", str(configs / "detector.yaml"), "--repository", str(repository)]
    result = runner.invoke(command_of(cli_evaluate.evaluate), [*command, "--out", str(card_file)])
    assert result.exit_code == 0, result.output
    measured = json.loads(card_file.read_text())
    assert measured == release.scorecard["valid"], "measuring again gives the same scorecard"
    value, low, high = measured["species"]["accuracy"]
    assert low <= value <= high


def test_the_scorecard_measures_what_production_answers(configs: Path) -> None:
    """Fish counted from LocalRecogniser's own answers give the scorecard's recall."""
    for task in ("detector", "classifier"):
        loaded = config.load(configs / f"{task}.yaml", ["run.epochs=6"])
        runs.train(loaded, configs / "runs" / task)
    for name in ("detector", "classifier"):
        path = configs / f"{name}.yaml"
        path.write_text(path.read_text().replace("epochs: 2", "epochs: 6"))
    from deckwatch_training import releases
    from deckwatch_training.detection import matches

    release = releases.make(configs / "release.yaml", configs / "repository")
    loaded = config.load(configs / "detector.yaml")
    recogniser = LocalRecogniser(configs / "repository")
    right = fish = 0
    for picture in read_coco(loaded.data.valid).select(loaded.data.fish).pictures:
        found = recogniser.recognise(picture.path.read_bytes()).fish
        boxes = np.array([f.box for f in found], np.float32).reshape(-1, 4)
        right += int(matches(boxes, picture.boxes).sum())
        fish += len(picture.boxes)
    recall = release.scorecard["valid"]["detector"]["recall"][0]
    assert recall == pytest.approx(right / fish, abs=1e-3)


def test_data_of_the_two_runs_must_be_the_same(configs: Path) -> None:
    from deckwatch_training import releases

    path = configs / "classifier.yaml"
    path.write_text(path.read_text().replace("held_back: 0.25", "held_back: 0.1"))
    with pytest.raises(UsageError, match="name different data"):
        releases.make(configs / "release.yaml", configs / "repository")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.epoch=3", r"run\.epoch: Extra inputs"),
        ("run.epochs=0", r"run\.epochs"),
        ("model.architecture=yolo99", r"No detector 'yolo99'.*yolox_nano"),
        ("model.input_size=100", r"multiple of 32"),
        ("epochs", r"is no override"),
    ],
)
def test_a_wrong_setting_is_named(configs: Path, override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        runs.train(config.load(configs / "detector.yaml", [override]), configs / "run")


def test_views_of_an_epoch_depend_on_seed_epoch_and_place_alone(configs: Path) -> None:
    loaded = config.load(configs / "detector.yaml")
    train, held = runs.training_data(loaded)
    task = DetectionTask(runs.build_detector(loaded), loaded, train, held)
    first, again, other = (next(iter(task.batches(epoch)))[0] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
