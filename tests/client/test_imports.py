"""What each command must not load: the time of a cold start, and torch outside of training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TRAINING_ONLY = {"torch", "torchvision", "albumentations", "onnx", "onnxscript", "matplotlib"}
SERVER_ONLY = {"fastapi", "starlette", "uvicorn", "pydantic", "structlog", "deckwatch_gateway"}
NETWORK = {"grpc", "tritonclient", "httpx2", "asyncio", "ssl", "google"}
COMFORT = {"typer", "rich", "importlib.metadata"}
# Typer itself imports pydantic, once there is something to parse.
SERVER_PARTS = SERVER_ONLY - {"pydantic"}
DRAWING = {"rich", "jinja2", "tenacity", "laptrack", "pandas", "scipy"}
NETS = {"numpy", "cv2", "onnxruntime", "openvino"}


def modules_after(code: str) -> set[str]:
    """The modules a fresh interpreter holds after `code`."""
    report = "\nimport sys; sys.stderr.write(' '.join(['MODULES', *sys.modules]))"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + report],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(process.stderr.partition("MODULES ")[2].split())


def test_classify_in_process(folder: Path) -> None:
    loaded = modules_after(
        "from deckwatch_client.classify import main; assert main(['shark.jpg']) == 0"
    )
    assert "onnxruntime" in loaded
    assert loaded & (TRAINING_ONLY | SERVER_ONLY | NETWORK | COMFORT) == set()


def test_wrong_usage_and_help_load_no_nets() -> None:
    loaded = modules_after(
        "from deckwatch_client.classify import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    )
    assert loaded & (TRAINING_ONLY | SERVER_ONLY | NETWORK | COMFORT | NETS) == set()


def after_deckwatch(*arguments: str, environment: str = "") -> set[str]:
    return modules_after(
        f"import os, sys; sys.argv = {['deckwatch', *arguments]!r}\n{environment}\n"
        "from deckwatch_client.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass"
    )


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_deckwatch_help(arguments: list[str]) -> None:
    loaded = after_deckwatch(*arguments)
    assert "typer" in loaded
    assert loaded & (TRAINING_ONLY | SERVER_ONLY | NETWORK | DRAWING | NETS) == set()
    assert not {name for name in loaded if name.startswith("deckwatch_serving")}


@pytest.mark.parametrize("command", ["doctor", "releases", "up"])
def test_the_help_of_a_command(command: str) -> None:
    loaded = after_deckwatch(command, "--help")
    assert loaded & (TRAINING_ONLY | SERVER_PARTS | NETWORK | DRAWING | NETS) == set()


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [("deckwatch\\n", SERVER_ONLY), ("deckwatch\\nclassify\\n--", SERVER_PARTS)],
)
def test_completion(words: str, unwanted: set[str]) -> None:
    environment = (
        f"os.environ |= {{'_DECKWATCH_COMPLETE': 'complete_zsh', '_DECKWATCH_WORDS': '{words}'}}"
    )
    loaded = after_deckwatch(environment=environment)
    assert loaded & (TRAINING_ONLY | unwanted | NETWORK | DRAWING | NETS) == set()


@pytest.mark.parametrize("address", ["grpc://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_client_of_a_server_loads_no_nets(address: str) -> None:
    loaded = modules_after(f"from deckwatch_client import Client; Client({address!r}).close()")
    assert loaded & (TRAINING_ONLY | SERVER_ONLY | {"onnxruntime", "openvino"}) == set()


def test_the_gateway_loads_neither_torch_nor_nets() -> None:
    loaded = modules_after("import deckwatch_gateway.app")
    assert loaded & (TRAINING_ONLY | {"onnxruntime", "openvino"}) == set()


def test_the_steps_of_triton_load_no_torch() -> None:
    loaded = modules_after("import deckwatch_serving.local, deckwatch_serving.triton")
    assert loaded & (TRAINING_ONLY | SERVER_ONLY) == set()
