"""The loop: kill -9 and go on, several processes, precision, early stop, what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
import yaml
from typer.testing import CliRunner

from deckwatch_training import checkpoints, cli_train, config, curves, devices, loop, runs
from deckwatch_training.classification import ClassificationTask
from deckwatch_training.config import RunConfig, TrainConfig
from deckwatch_training.detection import DetectionTask
from deckwatch_vision.errors import UsageError

# No dropout and no batch norm, whose numbers depend on how a batch is cut.
OWN = """
from torch import nn
from deckwatch_training.classifiers import Classifier
from deckwatch_training.nets import imagenet

class Tiny(Classifier):
    def __init__(self, classes):
        super().__init__()
        self.normalise = imagenet()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 5, 4), nn.GELU(), nn.Conv2d(16, 16, 3, 2), nn.GELU(),
            nn.Conv2d(16, classes, 1),
        )

    def forward(self, crops):
        return self.body(self.normalise(crops)).mean((2, 3))
"""


class PowerCutError(Exception):
    """The machine stops in the middle of an epoch."""


def _log(folder: Path) -> list[dict[str, float]]:
    return checkpoints.untimed(checkpoints.read_log(folder / "log.jsonl"))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.pt", weights_only=True)["average"]


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deckwatch_client.cli", "train", *arguments]


def _interrupt(monkeypatch: pytest.MonkeyPatch, kind: Any, epoch: int, step: int, go: Any) -> None:
    """Run `go` until the power is cut in that step of that epoch."""
    batches = kind.batches

    def cut(self: Any, at: int, start: int = 0) -> Iterable[Any]:
        for i, batch in enumerate(batches(self, at, start), start=start):
            if (at, i) == (epoch, step):
                raise PowerCutError
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(kind, "batches", cut)
        with pytest.raises(PowerCutError):
            go()


def test_kill_9_loses_nothing(configs: Path, tmp_path: Path) -> None:
    """A real process is killed by SIGKILL somewhere in its epochs; the same command goes on."""
    overrides = ["run.epochs=8", "run.checkpoint_steps=3", "run.validate_every=4"]
    loaded = config.load(configs / "classifier.yaml", overrides)
    killed = tmp_path / "killed"
    command = _command("classifier", "-c", str(configs / "classifier.yaml"), *overrides)
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen([*command, "--out", str(killed)], stderr=said, stdout=said) as process,
    ):
        try:
            while process.poll() is None and len(_log(killed)) < 2:
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert 2 <= len(_log(killed)) < 8
    assert not runs.finished(loaded, killed)

    runs.train(loaded, tmp_path / "whole")
    runs.train(loaded, killed)
    assert _log(killed) == _log(tmp_path / "whole")
    assert _same(_weights(killed), _weights(tmp_path / "whole"))
    assert runs.finished(loaded, killed)


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_a_checkpoint_within_an_epoch_continues_bit_for_bit(
    configs: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = config.load(configs / f"{task}.yaml", ["run.epochs=2", "run.checkpoint_steps=2"])
    runs.train(loaded, configs / "whole")
    kind: Any = DetectionTask if task == "detector" else ClassificationTask
    _interrupt(monkeypatch, kind, 1, 2, lambda: runs.train(loaded, configs / "cut"))
    assert torch.load(configs / "cut/last.pt", weights_only=True)["within"]["steps"] == 2
    runs.train(loaded, configs / "cut")
    assert _log(configs / "cut") == _log(configs / "whole")
    assert _same(_weights(configs / "cut"), _weights(configs / "whole"))


def test_two_processes_learn_what_one_does(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchrun takes over a run that one process began, and ends like one process."""
    (tmp_path / "tiny_net.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    overrides = ["model.architecture=tiny_net:Tiny", "run.epochs=3", "run.checkpoint_steps=2"]
    loaded = config.load(configs / "classifier.yaml", overrides)
    runs.train(loaded, tmp_path / "one")
    again = config.load(configs / "classifier.yaml", overrides)
    _interrupt(monkeypatch, ClassificationTask, 1, 3, lambda: runs.train(again, tmp_path / "two"))

    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2", "-m"]
    command = _command("classifier", "-c", str(configs / "classifier.yaml"), *overrides)[2:]
    done = subprocess.run(
        [*launcher, *command, "--out", str(tmp_path / "two")],
        capture_output=True, text=True, timeout=170, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 3/3") == 1, "only the first process speaks"
    one, two = _log(tmp_path / "one"), _log(tmp_path / "two")
    assert [row["epoch"] for row in two] == [1, 2, 3]
    for a, b in zip(one, two, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], abs=2e-4)
    ours, theirs = _weights(tmp_path / "one"), _weights(tmp_path / "two")
    for key in ours:
        torch.testing.assert_close(theirs[key], ours[key], rtol=1e-3, atol=1e-4)


def test_a_batch_that_does_not_divide_is_refused(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError, match=r"run\.batch is 4; with 3 processes.*multiple of 3"):
        runs.train(config.load(configs / "detector.yaml"), configs / "run")


def test_accumulated_parts_make_the_same_step(
    configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny_parts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    found = []
    for parts in (1, 2):
        overrides = ["model.architecture=tiny_parts:Tiny", f"run.accumulate={parts}"]
        runs.train(config.load(configs / "classifier.yaml", overrides), tmp_path / f"in{parts}")
        found.append(_weights(tmp_path / f"in{parts}"))
    assert not _same(*found), "parts were worked through one by one"
    for key in found[0]:
        torch.testing.assert_close(found[1][key], found[0][key], rtol=1e-3, atol=1e-4)


def test_early_stop_keeps_the_best(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.2, 0.6, 0.5, 0.6, 0.1])
    averages = []

    def validate(self: Any, net: torch.nn.Module) -> dict[str, float]:
        averages.append({key: value.clone() for key, value in net.state_dict().items()})
        return {"macro_recall": next(scores)}

    monkeypatch.setattr(ClassificationTask, "validate", validate)
    overrides = ["run.epochs=9", "run.patience=2", "run.validate_every=1"]
    loaded = config.load(configs / "classifier.yaml", overrides)
    net = runs.train(loaded, configs / "run")
    # 0.6 again is no better one: after the fourth validation two have passed without.
    assert len(_log(configs / "run")) == 4
    assert runs.finished(loaded, configs / "run")
    assert _same(dict(net.state_dict()), averages[3])
    assert _same(_weights(configs / "run"), averages[3])
    again = runs.train(loaded, configs / "run")
    assert _same(dict(again.state_dict()), averages[3])
    assert len(_log(configs / "run")) == 4


def test_early_stop_needs_something_to_validate_on(configs: Path) -> None:
    loaded = config.load(configs / "detector.yaml", ["run.patience=2", "data.held_back=0"])
    with pytest.raises(UsageError, match=r"run\.patience needs held-back pictures"):
        runs.train(loaded, configs / "run")


@pytest.mark.parametrize("task", ["detector", "classifier"])
def test_mixed_precision_learns_nearly_the_same(configs: Path, task: str) -> None:
    found = []
    for precision in ("float32", "bfloat16"):
        loaded = config.load(configs / f"{task}.yaml", [f"run.precision={precision}"])
        net = runs.train(loaded, configs / precision)
        assert all(each.dtype == torch.float32 for each in net.parameters())
        found.append(_log(configs / precision))
    for a, b in zip(*found, strict=True):
        assert b["loss"] != a["loss"]
        assert b["loss"] == pytest.approx(a["loss"], rel=0.1)


def test_float16_scales_its_losses(configs: Path) -> None:
    loaded = config.load(configs / "classifier.yaml", ["run.precision=float16", "run.epochs=1"])
    runs.train(loaded, configs / "half")
    state = torch.load(configs / "half/last.pt", weights_only=True)
    assert state["scaler"]["scale"] >= 1
    assert all(torch.isfinite(value).all() for value in state["average"].values())


def test_the_device_that_is_there() -> None:
    chosen = devices.choose(RunConfig(device="cpu"))
    assert chosen == devices.Device(torch.device("cpu"), None)
    assert not chosen.scaler().is_enabled()
    if torch.cuda.is_available():
        assert devices.choose(RunConfig()).on_gpu
    else:
        assert devices.choose(RunConfig()) == chosen
        with pytest.raises(UsageError, match=r"run\.device is cuda"):
            devices.choose(RunConfig(device="cuda"))


def test_a_training_that_falls_apart_says_so(configs: Path) -> None:
    loaded = config.load(configs / "classifier.yaml", ["run.lr=1e30", "run.warmup_steps=0"])
    with pytest.raises(UsageError, match=r"The loss is (nan|inf).*Lower run\.lr"):
        runs.train(loaded, configs / "run")


def test_a_run_leaves_its_curves_and_configuration(configs: Path) -> None:
    runner, out = CliRunner(), configs / "run"
    path = configs / "classifier.yaml"
    result = runner.invoke(
        cli_train.train, ["classifier", "-c", str(path), "run.epochs=3", "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    assert "epoch 3/3" in result.stderr
    assert "images_per_s" in result.stderr
    picture = cv2.imread(str(out / "curves.png"))
    assert picture is not None
    assert picture.std() > 10, "something is drawn"
    again = TrainConfig.model_validate(yaml.safe_load((out / "config.yaml").read_text()))
    assert again == config.load(path, ["run.epochs=3"])
    assert sorted(each.name for each in out.iterdir()) == [
        "best.pt", "config.yaml", "curves.png", "last.pt", "log.jsonl",
    ]  # fmt: skip


def test_curves_tell_losses_from_measures() -> None:
    rows = [{"epoch": 1, "loss": 3.0, "box": 0.3}, {"epoch": 2, "loss": 2.0, "box": 0.2}]
    rows[1] |= {"ap50": 0.4, "threshold": 0.3, "seconds": 7.0}
    left, right = curves.draw(rows, "run").axes
    assert [line.get_label() for line in left.lines] == ["loss", "box"]
    assert [line.get_label() for line in right.lines] == ["ap50"]
    assert list(left.lines[0].get_ydata()) == [3.0, 2.0]  # type: ignore[arg-type]


def test_the_wrong_command_for_a_configuration(configs: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(cli_train.train, ["detector", "-c", str(configs / "classifier.yaml")])
    assert isinstance(result.exception, UsageError)
    assert "Use `deckwatch train classifier`" in result.exception.message


def test_fresh_forgets_the_run_before(configs: Path) -> None:
    path = configs / "classifier.yaml"
    runs.train(config.load(path, ["run.epochs=3"]), configs / "run")
    runs.train(config.load(path, ["run.epochs=1"]), configs / "run", fresh=True)
    assert len(_log(configs / "run")) == 1


def test_a_run_of_another_architecture_cannot_be_loaded(configs: Path) -> None:
    path = configs / "classifier.yaml"
    runs.train(config.load(path, ["run.epochs=1"]), configs / "run")
    other = runs.build_classifier(config.load(path, ["model.architecture=mobilenet_v2"]))
    with pytest.raises(UsageError, match="does not fit MobileNetV2"):
        loop.load_net(other, configs / "run")
    with pytest.raises(UsageError, match="holds no finished run"):
        loop.load_net(other, configs / "nowhere")


def test_a_new_option_at_its_default_disowns_no_checkpoint(configs: Path) -> None:
    """A run's identity holds what was set away from the defaults, and no places or speeds."""
    path = configs / "detector.yaml"
    plain = config.load(path).identity()
    assert (
        config.load(path, ["run.patience=0", "run.device=cpu", "tune={run.lr: [1, 2]}"]).identity()
        == plain
    )
    assert config.load(path, ["run.patience=1"]).identity() != plain
    assert not {"weights", "cache_mb", "train", "valid"} & set(plain["data"])
