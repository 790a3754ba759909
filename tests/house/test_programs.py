"""The programs that are built from Go modules are pinned, and built again when the pins change."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tools import programs


def test_every_program_is_pinned() -> None:
    named = set(re.findall(r'^import _ "(.+)"$', (programs.MODULE / "tools.go").read_text(), re.M))
    assert named == {package for package, _ in programs.BUILT.values()}
    pins = (programs.MODULE / "go.mod").read_text()
    sums = (programs.MODULE / "go.sum").read_text()
    for package in named:
        module, version = next(
            found
            for found in re.findall(r"^(?:require )?\s*(\S+/\S+) (v\S+)", pins, re.M)
            if package.startswith(found[0])
        )
        assert f"{module} {version} h1:" in sums


def test_built_again_when_the_pins_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "BIN", tmp_path)
    assert programs.unbuilt() == list(programs.BUILT)
    pinned = (programs.MODULE / "go.sum").stat().st_mtime
    for name in programs.BUILT:
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (pinned + 1, pinned + 1))
        assert programs.find(name) == str(tmp_path / name)
    assert programs.unbuilt() == []
    os.utime(tmp_path / "grpcurl", (pinned - 1, pinned - 1))
    assert programs.unbuilt() == ["grpcurl"]


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert programs.main() == 1
    told = capsys.readouterr().err
    assert "setup: chromium is missing" in told
    assert "sudo apt-get install golang-go" in told
