"""`deckwatch doctor` as a whole: its report, its JSON, its exit status, and no traceback ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deckwatch_client.doctor.finding import Check, Finding, Subject
from deckwatch_client.doctor.table import CHECKS, examine

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor() -> Doctor:
    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "deckwatch_client.cli", "doctor", *arguments],
            env={**os.environ, "COLUMNS": "80", **more},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_the_report(doctor: Doctor, tiny_repository: Path) -> None:
    process = doctor()
    assert (process.returncode, process.stderr) == (0, "")
    lines = process.stdout.splitlines()
    sections = [line for line in lines if line and not line.startswith(" ")]
    assert sections[:-1] == list(dict.fromkeys(check.section for check in CHECKS))
    assert sections[-1].startswith("Nothing stands in the way")
    assert f"  ok       DECKWATCH_MODEL_REPOSITORY={tiny_repository}" in lines
    assert max(map(len, lines)) <= 80 or str(tiny_repository) in max(lines, key=len)
    assert "\x1b" not in process.stdout
    assert "\x1b[32mok\x1b[0m" in doctor(FORCE_COLOR="1").stdout


def test_json(doctor: Doctor) -> None:
    process = doctor("--json", "--server", "http://me:secret@127.0.0.1:9")
    assert process.returncode == 1
    rows = [json.loads(line) for line in process.stdout.splitlines()]
    assert all(row.keys() == {"section", "check", "level", "text", "cure", "facts"} for row in rows)
    levels = {row["check"]: row["level"] for row in rows}
    assert (levels["release"], levels["reachable"]) == ("ok", "problem")
    assert "secret" not in process.stdout
    assert "http://(hidden)@127.0.0.1:9" in process.stdout


def test_quiet_tells_what_is_wrong_alone(doctor: Doctor, tmp_path: Path) -> None:
    process = doctor("--quiet", "--repository", str(tmp_path))
    assert process.returncode == 1
    first, second, *_, last = process.stdout.splitlines()
    assert first == "Release"
    assert second.startswith("  problem  The model repository given,")
    assert last.startswith("1 problem")
    assert " ok " not in process.stdout


def test_wrong_usage(doctor: Doctor) -> None:
    assert doctor("--timeout", "0").returncode == 2
    assert doctor("deck.jpg").returncode == 2


def test_letters_that_the_terminal_lacks(doctor: Doctor, tmp_path: Path) -> None:
    folder = tmp_path / "Fänge"
    folder.mkdir()
    process = doctor("--repository", str(folder), PYTHONIOENCODING="ascii")
    assert process.returncode == 1
    assert "F\\xe4nge" in process.stdout
    assert "Set a UTF-8 locale" in process.stdout


def test_a_check_that_breaks_is_a_finding() -> None:
    def breaks(_: Subject) -> Iterator[Finding]:
        yield Finding("ok", "So far so good.")
        raise ZeroDivisionError("by zero")

    def works(_: Subject) -> Iterator[Finding]:
        yield Finding("ok", "redis://me:secret@host", facts={"url": "redis://me:secret@host"})

    checks = [Check("Odd", "breaks", breaks), Check("Odd", "works", works)]
    good, broken, other = (finding for _, finding in examine(Subject(), checks))
    assert good.text == "So far so good."
    assert broken.level == "warning"
    assert broken.text == "The check 'breaks' broke off (ZeroDivisionError: by zero)."
    assert other.text == other.facts["url"] == "redis://(hidden)@host"


def test_the_names_are_unique() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
