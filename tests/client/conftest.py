"""A tiny release, its pictures, and `classify` called in this process or in its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deckwatch_client import classify, logs
from deckwatch_vision.images import encode_jpeg
from tests.tiny_release import tiny_picture


@pytest.fixture(autouse=True)
def recognise_here(tiny_repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's own environment says."""
    monkeypatch.setenv("DECKWATCH_MODEL_REPOSITORY", str(tiny_repository))
    monkeypatch.delenv("DECKWATCH_SERVER", raising=False)


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of another test may have left the process quiet."""
    monkeypatch.setattr(logs, "_speaker", logs.Speaker())


@pytest.fixture(scope="session")
def shark() -> bytes:
    """A picture whose one fish is a SHARK to the tiny release."""
    return encode_jpeg(tiny_picture(fish=1, species=("SHARK",)))


@pytest.fixture(scope="session")
def empty_sea() -> bytes:
    """A picture without a fish."""
    return encode_jpeg(tiny_picture(fish=0))


@pytest.fixture
def folder(tmp_path: Path, shark: bytes, empty_sea: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: shark.jpg, sea.jpg and the broken cut.jpg."""
    (tmp_path / "shark.jpg").write_bytes(shark)
    (tmp_path / "sea.jpg").write_bytes(empty_sea)
    (tmp_path / "cut.jpg").write_bytes(shark[: len(shark) // 2])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Outcome:
    """What a run of `classify` left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run_classify(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Call `classify` in this process; `stdin` is what it finds on standard input."""

    def run(*arguments: str, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = classify.main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


@pytest.fixture
def spawn() -> Callable[..., subprocess.Popen[str]]:
    """Start `python ARGUMENTS` with pipes, and with `environment` on top of this one."""

    def start(
        *arguments: str, environment: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    return start
