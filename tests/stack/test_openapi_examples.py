"""Every command in the OpenAPI document, run as a reader would, gives the answer beside it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deckwatch_gateway.examples import BASE
from tests.stack.conftest import CAMIO_KEY, KEY
from tools.install import ROOT

pytestmark = pytest.mark.stack

# Processors differ in the last digits of a net.
LIKELIHOOD, PIXELS = 1e-3, 0.5
QUIET = "--silent --show-error --write-out '\\n%{http_code}'"


@pytest.fixture(scope="module")
def document(guarded_url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx2.get(f"{guarded_url}/openapi.json", trust_env=False).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_shows_a_command(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation.get("x-codeSamples"), name


def test_the_commands_give_the_answers_shown(
    document: dict[str, Any], guarded_url: str, tmp_path: Path
) -> None:
    compared = 0
    for name, operation in operations(document):
        for sample in operation["x-codeSamples"]:
            source = sample["source"].replace(BASE, guarded_url)
            assert guarded_url in source, name
            source = source.replace("--output ", f"--output {tmp_path}/")
            done = subprocess.run(
                source.replace("curl ", f"curl {QUIET} --header 'X-API-Key: {KEY}' ", 1),
                shell=True, cwd=ROOT, capture_output=True, timeout=60,
                env={**os.environ, "CAMIO_KEY": CAMIO_KEY},
            )  # fmt: skip
            status = done.stdout.rpartition(b"\n")[2].decode()
            assert status in operation["responses"], (name, sample["label"], done.stdout)
            refused = "200" not in operation["responses"]
            assert status == ("400" if refused else "200"), (name, sample["label"], done.stdout)
            shown = example(operation, sample["label"])
            if shown is not None:
                assert_same(
                    json.loads(done.stdout.rpartition(b"\n")[0]), shown, f"{name} {sample['label']}"
                )
                compared += 1
    assert compared >= 5
    drawn = (tmp_path / "drawn.jpg").read_bytes()
    assert drawn.startswith(b"\xff\xd8\xff")


def example(operation: dict[str, Any], label: str) -> Any:
    """The answer of that name, None where none is shown in JSON."""
    for response in operation["responses"].values():
        examples = response.get("content", {}).get("application/json", {}).get("examples", {})
        if label in examples:
            return examples[label]["value"]
    return None


def assert_same(given: Any, shown: Any, where: str) -> None:
    """Equal but for the last digits of likelihoods and boxes."""
    if isinstance(shown, dict):
        assert given.keys() == shown.keys(), where
        for key in shown:
            assert_same(given[key], shown[key], f"{where} {key}")
    elif isinstance(shown, list):
        assert len(given) == len(shown), where
        for one, other in zip(given, shown, strict=True):
            assert_same(one, other, where)
    elif isinstance(shown, float):
        tolerance = PIXELS if where.endswith("box") else LIKELIHOOD
        assert given == pytest.approx(shown, abs=tolerance), where
    else:
        assert given == shown, where
