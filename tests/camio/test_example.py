"""docs/camio.md shows the exchange on one machine: its commands do what it says."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deckwatch_serving.triton import EmbeddedTriton
from tests.gateway.conftest import running_gateway

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "camio.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ *\$ (.+)$", PAGE, re.MULTILINE)
ENVIRONMENT = dict(re.findall(r"\b(DECKWATCH_\w+)=(\S+)", "\n".join(COMMANDS[:2])))
DEADLINE_S = 60.0


def of(program: str) -> list[list[str]]:
    """The words of the page's commands that begin with `program`."""
    return [shlex.split(command) for command in COMMANDS if command.startswith(program)]


def program(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def fake_camio(words: list[str], *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The page's fake Camio on a free port, and its address."""
    photographs = sorted(str(path) for path in ROOT.glob(words[-1]))
    assert photographs
    process = subprocess.Popen(
        [sys.executable, *words[1:-1], *photographs, "--port", "0", *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+(?=;)", process.stdout.readline())
        assert found is not None
        yield process, found[0]
    finally:
        process.kill()
        process.communicate()


def settings(folder: Path) -> dict[str, Any]:
    """Those of the page for the gateway."""
    given = {name.removeprefix("DECKWATCH_").lower(): text for name, text in ENVIRONMENT.items()}
    return given | {"camio_queue": str(folder / "camio.sqlite")}


def test_the_exchange_of_the_page(
    triton_server: EmbeddedTriton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [fake] = of("python")
    [register] = [words for words in of("deckwatch camio register") if "--camio" in words]
    gateway = running_gateway(triton=triton_server.grpc_url, **settings(tmp_path))
    for name, text in ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    with gateway as running, fake_camio(fake) as (process, url):
        addresses = {"http://127.0.0.1:9090": url, "http://127.0.0.1:8080": running.server.url}
        words = [addresses.get(word, word) for word in register[1:]]
        done = subprocess.run(
            [program("deckwatch"), *words], capture_output=True, text=True, timeout=DEADLINE_S
        )
        assert (done.stderr, done.returncode) == ("", 0)
        assert done.stdout.endswith(f"events of 1==1 go to {running.server.url}/tasks/***.\n")
        shown, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    lines = shown.splitlines()
    assert lines[0] == "Sent 10 images; answered 200 ok"
    assert lines[1].startswith("Labels after ")
    found = dict(re.findall(r"(\w+\.jpg): (.+)", shown))
    assert len(found) == 10
    for name, labels in re.findall(r"(\w+\.jpg): (.+)", PAGE):
        # Probabilities differ in their last digits between machines.
        assert re.sub(r"[\d.]+", "", found[name]) == re.sub(r"[\d.]+", "", labels)


def test_the_fake_camio_without_registering(triton_server: EmbeddedTriton, tmp_path: Path) -> None:
    with running_gateway(triton=triton_server.grpc_url, **settings(tmp_path)) as running:
        done = run_fake("--to", f"{running.server.url}/tasks/{ENVIRONMENT['DECKWATCH_CAMIO_KEYS']}")
        assert done.returncode == 0
        assert "hammerhead.jpg: shark" in done.stdout
        done = run_fake("--to", f"{running.server.url}/tasks/wrong")
    assert done.returncode == 1
    assert "answered 400 Invalid API Key" in done.stdout


def test_the_fake_camio_says_what_is_missing() -> None:
    done = run_fake("--wait", "0.1")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "No hook was registered in time.")
    done = run_fake("--to", "http://127.0.0.1:1/tasks/x")
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
    done = run_fake("nothing.jpg")
    assert done.returncode == 2
    assert "there is no file nothing.jpg" in done.stderr


def run_fake(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "examples/camio/fake_camio.py"),
            *("examples/photos/hammerhead.jpg", "--port", "0", *arguments),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def test_the_script_tells_the_same_commands() -> None:
    script = (ROOT / "examples" / "camio" / "fake_camio.py").read_text(encoding="utf-8")
    for words in (*of("deckwatch up"), *of("python"), *of("deckwatch camio register")[:1]):
        assert " ".join(words) in script
    for name, text in ENVIRONMENT.items():
        assert f"{name}={text}" in script


@pytest.mark.parametrize("words", of("deckwatch"), ids=" ".join)
def test_the_commands_of_the_page_and_their_options_exist(words: list[str]) -> None:
    names = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z]+", word), words))[:3]
    page = subprocess.run(
        [program("deckwatch"), *names[1:], "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert {word for word in words if word.startswith("--")} <= set(re.findall(r"--[\w-]+", page))
    assert page.startswith(f"Usage: {' '.join(names)} ")
