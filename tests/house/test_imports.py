"""Which part imports which: the contracts of pyproject.toml."""

import subprocess
import sys

from importlinter.cli import lint_imports

from tests.house.project import ROOT


def test_the_contracts_hold() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_the_gateway_loads_nothing_of_training() -> None:
    code = "import sys, deckwatch_gateway.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "fastapi" in loaded
    assert not loaded & {"torch", "torchvision", "onnx", "faster_coco_eval", "deckwatch_training"}
