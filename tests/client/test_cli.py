"""The command `deckwatch`: quick to list its commands, loading each only when it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from deckwatch_client.commands import GROUP, KNOWN, SECTIONS

ROOT = Path(__file__).parents[2]

Deckwatch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def deckwatch(tmp_path: Path) -> Deckwatch:
    """Runs `deckwatch` beside an installed package that brings commands of its own."""
    metadata = tmp_path / "fleet_tools-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fleet-tools\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[{GROUP}]\n"
        "fleet = fleet_tools:fleet\n"
        "harbour = fleet_tools:harbour\n"
        "nothing = fleet_tools:NOTHING\n"
    )
    (tmp_path / "fleet_tools.py").write_text(
        "import sys, typer\n"
        "sys.stderr.write('fleet_tools was imported\\n')\n"
        "NOTHING = 4\n"
        "def fleet(boats: int):\n"
        "    '''Count boats.'''\n"
        "    typer.echo(f'{boats} boats')\n"
        "harbour = typer.Typer()\n"
        "@harbour.command()\n"
        "def enter(): typer.echo('welcome')\n"
        "@harbour.command()\n"
        "def fill(): raise OSError(28, 'No space left on device')\n"
        "@harbour.command()\n"
        "def lock(): raise PermissionError(13, 'Permission denied', 'out.csv')\n"
        "@harbour.command()\n"
        "def wait():\n"
        "    import os, signal, time\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "@harbour.command()\n"
        "def leave():\n"
        "    from deckwatch_vision.errors import ReleaseNotFound\n"
        "    raise ReleaseNotFound('nothing\\naboard. Fetch it.')\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "deckwatch_client.cli", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_help_lists_without_importing(deckwatch: Deckwatch) -> None:
    process = deckwatch("--help")
    assert (process.returncode, process.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in process.stdout.splitlines()]
    assert "classify Name the fish in pictures." in lines
    assert "fleet From the package fleet-tools." in lines
    for name, known in KNOWN.items():
        assert f"{name} {known.summary}" in lines  # whole, and with the words of the table
    assert process.stdout.startswith("Usage: deckwatch ")


def test_every_command_of_ours_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][GROUP].keys() == KNOWN.keys()
    for known in KNOWN.values():
        assert set(filter(None, known.extra.split(","))) <= project["optional-dependencies"].keys()


def test_every_command_has_its_section() -> None:
    placed = [name for names in SECTIONS.values() for name in names]
    assert sorted(placed) == sorted([*KNOWN, "classify", "completion"])


def test_a_mistyped_command(deckwatch: Deckwatch) -> None:
    for typed, meant in {"bacth": "batch", "fleat": "fleet", "promot": "promote"}.items():
        process = deckwatch(typed)
        assert process.returncode == 2
        assert f"No such command {typed!r}. Did you mean {meant!r}?" in process.stderr
    assert "`deckwatch --help` lists them all." in deckwatch("zzz").stderr


def test_a_function_and_an_app_of_a_package(deckwatch: Deckwatch) -> None:
    assert deckwatch("fleet", "3").stdout == "3 boats\n"
    assert "Count boats." in deckwatch("fleet", "--help").stdout
    assert deckwatch("harbour", "enter").stdout == "welcome\n"


def test_an_error_of_ours_is_one_line(deckwatch: Deckwatch) -> None:
    process = deckwatch("harbour", "leave")
    assert process.returncode == 1
    assert process.stderr.splitlines()[1:] == ["deckwatch: nothing aboard. Fetch it."]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("fill", "A file cannot be written (No space left on device). Look"),
        ("lock", "out.csv cannot be used (Permission denied). Look"),
    ],
)
def test_a_disk_at_fault_is_no_traceback(deckwatch: Deckwatch, command: str, told: str) -> None:
    process = deckwatch("harbour", command)
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()[1:]
    assert line.startswith(f"deckwatch: {told}")


def test_interrupted(deckwatch: Deckwatch) -> None:
    process = deckwatch("harbour", "wait")
    assert process.returncode == 130
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("command", ["train", "evaluate", "export"])
def test_a_missing_extra_is_named(command: str) -> None:
    without_torch = "import sys; sys.modules['torch'] = None; from deckwatch_client.cli import main"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{without_torch}; main()", command],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        f"deckwatch: `deckwatch {command}` needs torch, which is not installed. "
        "Install it with: pip install 'deckwatch[train]'"
    )


def test_an_entry_point_that_is_no_command(deckwatch: Deckwatch) -> None:
    process = deckwatch("nothing")
    assert process.returncode == 2
    assert "'nothing' is fleet_tools:NOTHING, neither" in process.stderr


def test_wrong_usage(deckwatch: Deckwatch) -> None:
    process = deckwatch("clasify")
    assert process.returncode == 2
    assert "No such command 'clasify'. Did you mean 'classify'?" in process.stderr


def test_version(deckwatch: Deckwatch) -> None:
    process = deckwatch("--version")
    assert process.returncode == 0
    assert process.stdout.startswith("deckwatch ")


def test_classify_is_the_command_classify(deckwatch: Deckwatch, folder: Path) -> None:
    process = deckwatch("classify", "--", "shark.jpg", "-x.jpg")
    assert process.stdout == "shark.jpg: ['SHARK']\n"
    assert process.stderr.startswith("classify: -x.jpg: there is no such file.")
    assert process.returncode == 3
    assert "usage: deckwatch classify" in deckwatch("classify", "--help").stdout


def test_an_error_as_json(deckwatch: Deckwatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECKWATCH_LOG_FORMAT", "json")
    process = deckwatch("harbour", "leave")
    assert process.returncode == 1
    line = json.loads(process.stderr.splitlines()[-1])
    assert (line["level"], line["code"]) == ("error", "release-not-found")
