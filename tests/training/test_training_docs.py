"""docs/training.md: its table is the code's, its examples run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

from deckwatch_training import config, config_table, export, runs
from deckwatch_training.config import TrainConfig

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_key_stands_in_the_table() -> None:
    found = re.search(r"<!-- every key: .*? -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found
    assert found[1] == config_table.table(), (
        "Write the table anew: python -m deckwatch_training.config_table"
    )
    for name, field in config_table.fields():
        assert field.description, f"{name} has no description"


def test_the_small_file_is_a_configuration() -> None:
    loaded = TrainConfig.model_validate(yaml.safe_load(_blocks("yaml")[0]))
    assert loaded.run.sampling == "vessel"
    assert loaded.model.weights == "imagenet"


def test_the_models_of_ones_own_train_and_export(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [block for block in _blocks("python") if "my_nets.py" in block]
    (configs / "my_nets.py").write_text("\n".join(code))
    monkeypatch.chdir(configs)
    monkeypatch.setattr(sys, "path", [*sys.path, str(configs)])
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    canvas = list(torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8).numpy())
    for task, name in (("classifier", "Small"), ("detector", "Cells")):
        given = [f"model.architecture=my_nets:{name}", "model.weights=none"]
        net = runs.train(config.load(configs / f"{task}.yaml", given), configs / "runs" / task)
        path = configs / f"{task}.onnx"
        write = export.export_detector if task == "detector" else export.export_classifier
        write(net, 64, path)
        export.check_parity(net, path, canvas, detector=task == "detector")


def test_the_example_in_python_runs(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(configs)
    code = next(block for block in _blocks("python") if "runs.train(" in block)
    exec(compile(code, "docs/training.md", "exec"), {})
    assert (configs / "runs" / "mine" / "curves.png").exists()
