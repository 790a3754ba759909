"""The examples for clients do what they show, against the real servers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deckwatch_client import Client, Result
from deckwatch_serving.triton import EmbeddedTriton
from tests.house.project import ROOT
from tests.stack.conftest import KEY
from tools.programs import BIN, find

EXAMPLES = ROOT / "examples" / "clients"
PHOTOS = ROOT / "examples" / "photos"
SHARK = PHOTOS / "shark.jpg"


def run(*command: str, status: int = 0, **environment: str) -> str:
    """What an example prints; on standard error where it fails."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": path, "no_proxy": "127.0.0.1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    assert bool(done.stderr) is bool(status), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def expected(repository: Path) -> Result:
    """What the release says of the shark."""
    with Client("", repository=repository) as client:
        return client.classify(SHARK)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"\d+\.\d+", text)]


def host(triton: EmbeddedTriton) -> str:
    return triton.grpc_url.removeprefix("grpc://")


def test_nothing_is_left_out() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.glob("*.*") if path.name != "README.md"}
    tests = Path(__file__).read_text(encoding="utf-8")
    assert {name for name in named if f'"{name}"' not in tests} == set()


def test_raw_tritonclient(triton_server: EmbeddedTriton, expected: Result) -> None:
    script = EXAMPLES / "raw_tritonclient.py"
    assert script.read_text(encoding="utf-8").count("\n") <= 30
    picture, *fish = run(
        sys.executable, str(EXAMPLES / "raw_tritonclient.py"), str(SHARK), host(triton_server)
    ).splitlines()
    label, likelihood = picture.split()
    assert label == expected.label
    assert float(likelihood) == pytest.approx(expected.likelihoods[label], abs=1e-3)
    assert len(fish) == len(expected.fish) > 0
    assert numbers(fish[0])[1:] == pytest.approx(expected.fish[0].box, abs=0.5)


def test_grpcurl(triton_server: EmbeddedTriton, expected: Result) -> None:
    assert find("grpcurl"), "grpcurl is missing; see make setup-programs"
    script = str(EXAMPLES / "grpcurl.sh")
    likelihood, _, label = run("sh", script, str(SHARK), host(triton_server)).strip().split(":")
    assert label == expected.label
    assert float(likelihood) == pytest.approx(expected.likelihoods[label], abs=1e-3)


def test_curl(gateway_url: str, guarded_url: str, tmp_path: Path, expected: Result) -> None:
    script = str(EXAMPLES / "curl.sh")
    found = json.loads(run("sh", script, str(SHARK), gateway_url))
    assert found["label"] == expected.label
    assert json.loads(run("sh", script, str(SHARK), guarded_url, DECKWATCH_API_KEY=KEY)) == found
    assert "key-refused" in run("sh", script, str(SHARK), guarded_url, status=22)
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(SHARK.read_bytes()[:1000])
    assert "broken-image" in run("sh", script, str(torn), gateway_url, status=22)


def test_fetch(gateway_url: str, guarded_url: str, expected: Result) -> None:
    script = str(EXAMPLES / "fetch.mjs")
    picture, *fish = run("node", script, str(SHARK), gateway_url).splitlines()
    assert picture.split()[0] == expected.label
    assert len(fish) == len(expected.fish)
    assert "key-refused: " in run("node", script, str(SHARK), guarded_url, status=1)
    assert run("node", script, str(SHARK), guarded_url, DECKWATCH_API_KEY=KEY).splitlines()[0]


@pytest.mark.parametrize("name", ["python_client.py", "async_client.py"])
@pytest.mark.parametrize("server", ["", "grpc", "http"])
def test_our_client(
    name: str,
    server: str,
    triton_server: EmbeddedTriton,
    gateway_url: str,
    repository: Path,
    tmp_path: Path,
    expected: Result,
) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(SHARK.read_bytes()[:1000])
    address = {"": "", "grpc": triton_server.grpc_url, "http": gateway_url}[server]
    lines = run(
        sys.executable, str(EXAMPLES / name), "--server", address, str(SHARK), str(torn),
        DECKWATCH_MODEL_REPOSITORY=str(repository),
    ).splitlines()  # fmt: skip
    if name == "python_client.py":
        assert lines.pop(0) == f"release {expected.release.name}, version 1"
        assert lines == [
            f"{SHARK}: {expected.label}, {len(expected.fish)} fish", f"{torn}: broken-image",
        ]  # fmt: skip
    else:
        assert sorted(lines) == sorted([f"{SHARK}: {expected.label}", f"{torn}: broken-image"])
